import { Migration } from "@mikro-orm/migrations";

const PARTS = [0, 1, 2, 3].map((part) => `journal_${part}`);
const OPTIONS = ["autovacuum_vacuum_insert_threshold", "toast.autovacuum_vacuum_insert_threshold"];

/**
 * The journal's rows are inserted and truncated away together, so a vacuum of what was inserted reads and writes a part for nothing, and the
 * truncation has to wait until it is interrupted, for a second.
 */
export class JournalVacuum extends Migration {
  override up(): void {
    const settings = OPTIONS.map((option) => `${option} = -1`).join(", ");
    for (const part of PARTS) this.addSql(`ALTER TABLE ${part} SET (${settings})`);
  }

  override down(): void {
    for (const part of PARTS) this.addSql(`ALTER TABLE ${part} RESET (${OPTIONS.join(", ")})`);
  }
}
