import t from "tap";
import { crashRounds } from "../support/crash.ts";

t.test("[N1] kill -9 under load loses nothing acknowledged: embedded store", { timeout: 900_000 }, (t) =>
  crashRounds(t, {}, 3),
);
