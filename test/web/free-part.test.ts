import t from "tap";
import { freeMiddle } from "../../web/free-part.ts";

const box = (left: number, top: number, right: number, bottom: number) => ({ left, top, right, bottom });

t.test("[W22] the middle of what panels leave free of the map", async (t) => {
  const phone = { width: 390, height: 844 };
  const [legend, details, time] = [box(8, 8, 382, 200), box(8, 440, 382, 778), box(8, 786, 382, 836)];
  t.strictSame(freeMiddle(phone, []), [0, 0]);
  t.strictSame(freeMiddle(phone, [legend, details, time]), [0, (200 + 440 - 844) / 2], "strips");
  const desk = { width: 1280, height: 800 };
  const sides = [box(12, 12, 228, 400), box(948, 12, 1268, 500)];
  t.strictSame(freeMiddle(desk, sides), [(228 + 948 - 1280) / 2, 0], "panels at the sides");
  t.strictSame(freeMiddle({ width: 390, height: 400 }, [legend, box(8, 150, 382, 392)]), [0, -125]);
  t.strictSame(freeMiddle({ width: 600, height: 300 }, [box(0, 0, 290, 9), box(280, 0, 570, 9)]), [0, 0]);
});
