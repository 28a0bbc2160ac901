import { ProblemError } from "../client/errors.ts";
import { readAddress, writeAddress } from "./address.ts";
import type { Shown } from "./shown.ts";

/** What is wrong with a filter, in the server's words, and where. */
export function filterProblem(error: Error): string {
  if (!(error instanceof ProblemError)) return error.message;
  return error.position === undefined ? error.detail : `${error.detail} (at character ${error.position + 1})`;
}

/** The field for a CEL expression. The address keeps the one in force; one that is refused leaves the picture as it is. */
export function connectFilterField(shown: Pick<Shown, "setFilter">): void {
  const form = document.querySelector<HTMLFormElement>("#filter")!;
  const field = document.querySelector<HTMLInputElement>("#filter-where")!;
  const problem = document.querySelector<HTMLElement>("#filter-problem")!;

  async function apply(where: string): Promise<void> {
    try {
      await shown.setFilter({ where: where === "" ? null : where });
      if (field.value.trim() === where) tell("");
      writeAddress("where", where || undefined);
    } catch (error) {
      // The field says something else by now.
      if (field.value.trim() !== where) return;
      tell(filterProblem(error as Error));
      const position = error instanceof ProblemError ? error.position : undefined;
      if (position === undefined || document.activeElement !== field) return;
      const start = field.value.indexOf(where) + position;
      field.setSelectionRange(start, start + 1);
    }
  }

  function tell(text: string): void {
    problem.textContent = text;
    if (text === "") field.removeAttribute("aria-invalid");
    else field.setAttribute("aria-invalid", "true");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void apply(field.value.trim());
  });
  // Emptied, it has nothing to be submitted for.
  field.addEventListener("input", () => {
    if (field.value === "") void apply("");
  });
  // Asked for only now and not with the view: a mistake in an old address must not leave the map empty.
  field.value = readAddress("where") ?? "";
  if (field.value !== "") void apply(field.value);
}
