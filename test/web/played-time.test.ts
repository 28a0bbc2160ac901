import t from "tap";
import {
  DEFAULT_SPAN_MS,
  HOUR_MS,
  localText,
  playbackNote,
  SLIDER_STEPS,
  SPANS_MS,
  spanFor,
  stepAt,
  timeAt,
  utcText,
} from "../../web/played-time.ts";
import { fc } from "../support/seeded.ts";

const NOW = Date.parse("2026-01-02T01:30:00.000Z");

t.test("[W17] [W25] times are told in UTC, and where one is, and when nothing was", async (t) => {
  t.equal(utcText(NOW + 999), "2026-01-02 01:30:00 UTC");
  t.equal(localText(NOW, 0), "", "which may be the same");
  t.equal(localText(NOW, 345), "07:15:00 local");
  t.equal(localText(NOW, -120), "2026-01-01 23:30:00 local", "on another day");
  t.equal(playbackNote("playing"), "");
  t.equal(playbackNote("paused", "all"), "Nothing is on record here for then");
  t.match(playbackNote("playing", "filtered"), /^Nothing that passes the filter/);
  t.equal(playbackNote("loading", "all"), "Reading history", "nobody knows yet");
  t.equal(playbackNote("crowded"), "Too much is here to be played: zoom in");
});

t.test("[W17] the slider reaches back as far as is wanted, or as a time needs", async (t) => {
  t.equal(timeAt(SLIDER_STEPS, DEFAULT_SPAN_MS, NOW), NOW);
  t.equal(timeAt(0, HOUR_MS, NOW), NOW - HOUR_MS);
  t.equal(timeAt(SLIDER_STEPS - 1, 24 * HOUR_MS, NOW), NOW - 60_000, "a minute, for a key, of a day");
  fc.assert(
    fc.property(fc.constantFrom(...SPANS_MS), fc.nat(SLIDER_STEPS), (span, step) => {
      t.equal(stepAt(timeAt(step, span, NOW), span, NOW), step);
    }),
  );
  t.equal(stepAt(NOW - 2 * HOUR_MS, HOUR_MS, NOW), 0);
  t.equal(spanFor(NOW - HOUR_MS, NOW), DEFAULT_SPAN_MS);
  t.equal(spanFor(NOW - HOUR_MS, NOW + 2_000), HOUR_MS, "to within a place on the slider");
  t.equal(spanFor(NOW - HOUR_MS, NOW + 3_000), 6 * HOUR_MS);
  t.equal(spanFor(NOW - 2 * HOUR_MS, NOW, HOUR_MS), 6 * HOUR_MS);
  t.equal(spanFor(0, NOW), 30 * 24 * HOUR_MS);
});
