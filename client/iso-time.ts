/** 9999-12-31T23:59:59.999Z: RFC 3339 years have four digits. */
const LAST_TIME = 253_402_300_799_999;
/** The moves of a frame are of few different seconds, and `toISOString` takes ten times as long as to look one up. */
const SECONDS_KEPT = 16;

const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `.${String(ms).padStart(3, "0")}Z`);
const seconds = new Float64Array(SECONDS_KEPT).fill(-1);
const texts: string[] = new Array(SECONDS_KEPT).fill("");

/** Unix ms → RFC 3339 UTC with milliseconds, as the server writes it in JSON: whole, 1970 … 9999. */
export function isoTime(t: number): string {
  const time = t >= LAST_TIME ? LAST_TIME : t > 0 ? Math.floor(t) : 0;
  const second = Math.floor(time / 1_000);
  const place = second % SECONDS_KEPT;
  if (seconds[place] !== second) {
    texts[place] = new Date(time).toISOString().slice(0, 19);
    seconds[place] = second;
  }
  return texts[place] + MILLISECONDS[time - second * 1_000];
}
