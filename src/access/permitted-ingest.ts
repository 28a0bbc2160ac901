/** Reports of who may not report everything: each is judged by what it says of itself. */
import type { Ingest, IngestResult, Report } from "../actors/messages.ts";
import { isTrue, parseFilter } from "../picture/cel.ts";
import { PermittedMemo } from "../picture/permitted.ts";
import type { Permitted } from "./ports.ts";
import { ReportScope, TOPICS } from "./topics.ts";

type ReportTest = (report: Report) => boolean;

const tests = new PermittedMemo(reportTest);

/** Takes what is permitted, and refuses the rest report by report. For "all" it is `ingest` itself. */
export function permittedIngest(ingest: Ingest, permitted: Permitted): Ingest {
  if (permitted === "all") return ingest;
  const passes = tests.of(permitted);
  return {
    get overloaded() {
      return ingest.overloaded;
    },
    submit: (reports) => submit(ingest, reports, passes),
  };
}

async function submit(ingest: Ingest, reports: readonly Report[], passes: ReportTest): Promise<IngestResult> {
  const taken: Report[] = [];
  /** Places in `reports`, by place in `taken`. */
  const places: number[] = [];
  const refused: IngestResult["refused"] = [];
  for (const [index, report] of reports.entries()) {
    if (passes(report)) {
      taken.push(report);
      places.push(index);
    } else
      refused.push({
        index,
        type: "forbidden",
        detail: "no role allows reports of this id, kind and source",
      });
  }
  if (taken.length === 0) return { accepted: 0, refused };
  const result = await ingest.submit(taken);
  for (const refusal of result.refused) refused.push({ ...refusal, index: places[refusal.index]! });
  refused.sort((a, b) => a.index - b.index);
  return { accepted: result.accepted, refused };
}

function reportTest(permitted: readonly string[]): ReportTest {
  const { topic, environment } = TOPICS.report!;
  const parsed = permitted.map((where) => parseFilter(environment, where, topic, true));
  const report = new ReportScope();
  const variables = { report };
  return ({ id, kind = "", source = "" }) => {
    report.id = id;
    report.kind = kind;
    report.source = source;
    return parsed.some((one) => isTrue(one, variables));
  };
}
