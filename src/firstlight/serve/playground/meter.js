// The warm-up meter: how good lists were, as measured on people never seen before, by how much was known of them.

import { h, s } from "./dom.js";

const WIDTH = 300, HEIGHT = 142, LEFT = 30, RIGHT = 10, TOP = 12, BOTTOM = 34;

/** Draw it into root. report: of /v1/models, or null. known: how many events the person has. */
export function meter(root, report, known, words) {
  const levels = report?.levels ?? [];
  if (!levels.length) return root.replaceChildren(h("p", { class: "hint" }, words.noReport));
  const here = levels.filter(({ events }) => events <= known).at(-1) ?? levels[0];
  const last = levels.at(-1).events;
  root.replaceChildren(chart(levels, Math.min(known, last), words), legend(levels, words), sentence(here, known > last, words));
}

function chart(levels, known, words) {
  const top = 1.12 * Math.max(...levels.flatMap((level) => [level.interval[1], ...Object.values(level.beside)]));
  // The first events say the most: the axis is a square root.
  const x = (events) => LEFT + (WIDTH - LEFT - RIGHT) * Math.sqrt(events / Math.max(1, levels.at(-1).events));
  const y = (ndcg) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (ndcg / top);
  const path = (corners) => `M${corners.map(([events, ndcg]) => `${x(events).toFixed(1)} ${y(ndcg).toFixed(1)}`).join("L")}`;
  const points = (of) => levels.map((level) => [level.events, of(level)]).filter(([, ndcg]) => ndcg !== undefined);
  const line = (name, of) => s("path", { class: name, d: path(points(of)) });
  const edges = [...points(({ interval }) => interval[1]), ...points(({ interval }) => interval[0]).reverse()];
  const label = (text, at, anchor = "middle") => s("text", { class: "tick", "text-anchor": anchor, ...at }, text);
  const rules = [0, top / 2.24, top / 1.12].map((ndcg) => [
    s("path", { class: "grid", d: `M${LEFT} ${y(ndcg)}H${WIDTH - RIGHT}` }),
    label(short(ndcg, 2), { x: LEFT - 5, y: y(ndcg) + 3 }, "end"),
  ]);
  return s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words.chart },
    rules.flat(),
    s("path", { class: "band", d: `${path(edges)}Z` }),
    Object.keys(levels[0].beside).map((name) => line(`beside ${name}`, (level) => level.beside[name])),
    line("ours", (level) => level.ndcg),
    levels.map((level) => s("circle", { class: "level", cx: x(level.events), cy: y(level.ndcg), r: 2.2 })),
    levels.map(({ events }) => label(events, { x: x(events), y: HEIGHT - 20 })),
    label(words.axis, { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 5 }),
    s("path", { class: "here", d: `M${x(known)} ${TOP - 4}V${HEIGHT - BOTTOM}` }),
    s("circle", { class: "person", cx: x(known), cy: y(between(levels, known)), r: 5 }));
}

function legend(levels, words) {
  const entry = (name, text) => h("span", { class: `key ${name}` }, text);
  const beside = Object.keys(levels[0].beside).map((name) => entry(name, words[name] ?? name));
  return h("p", { class: "legend" }, entry("ours", words.ours), beside);
}

function sentence(level, beyond, words) {
  const [low, high] = level.interval;
  const text = words.warmUpText(words.eventCount(level.events), short(level.ndcg, 3), ` ± ${short((high - low) / 2, 3)}`);
  return h("p", { class: "hint" }, beyond ? `${text} (${words.beyond})` : text);
}

/** The measured values on both sides, weighed by how near they are. */
function between(levels, known) {
  const next = levels.findIndex(({ events }) => events >= known);
  if (next <= 0) return levels.at(next === 0 ? 0 : -1).ndcg;
  const [a, b] = [levels[next - 1], levels[next]];
  return a.ndcg + ((b.ndcg - a.ndcg) * (known - a.events)) / (b.events - a.events);
}

const short = (value, digits) => value.toFixed(digits).replace(/^0/, "");
