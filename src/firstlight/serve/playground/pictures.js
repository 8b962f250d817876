// A picture for every item. What is drawn follows from its category and the words of its title, so that a train looks
// like a train; of things nobody has drawn there is an emblem with the first letter.

import { look } from "./colours.js";
import { drawn, s } from "./dom.js";
import { DRAWINGS } from "./drawings.js";

const INK = ["#e0785a", "#5a86c9", "#4f9f86", "#9a74c2", "#d39a3d", "#c9628c", "#5f9fb5", "#8b9a4b"];
const GROUND = ["#f3ddd2", "#d9e4f2", "#d6ebe3", "#e7def1", "#f5e8cd", "#f4dbe5", "#d8eaf0", "#e6eacd"];

/** The picture of an item {title, category, item_id} as an element. */
export function picture({ title, category, item_id: id }) {
  const name = title || id;
  const words = name.toLowerCase().split(/[\s,./()-]+/);
  const { colour, ground, pattern, sign } = look(words);
  const kind = kindOf(words, (category || "").toLowerCase());
  const root = kind ? thing(kind, pattern) : emblem(name, category || "");
  root.style.setProperty("--m", colour ?? INK[hash(words.join(" ")) % INK.length]);
  root.style.setProperty("--ground", ground ?? GROUND[hash(category || name) % GROUND.length]);
  if (kind && sign) root.append(signed(sign));
  return root;
}

/** Which drawing: what the title ends with, the category, or any word of the title; null where there is none. */
function kindOf(words, category) {
  const known = (name) => (Object.hasOwn(DRAWINGS, name) ? name : null);
  const tail = words.filter((word) => !/^(no|\d+)$/.test(word)).slice(-2);
  const singular = words.map((word) => known(word) ?? known(word.replace(/(e?s)$/, ""))).filter(Boolean);
  return known(tail.join(" ")) ?? known(tail.at(-1)) ?? known(category) ?? singular.at(-1) ?? null;
}

function thing(kind, pattern) {
  const root = drawn(canvas(`<g>${DRAWINGS[kind]}</g>`));
  if (pattern) {
    for (const part of [...root.querySelectorAll(".m")]) {
      const over = part.cloneNode();
      over.setAttribute("class", `over ${pattern}`);
      part.after(over);
    }
  }
  return root;
}

const signed = (sign) => drawn(`<svg x="96" y="6" width="18" height="18" viewBox="0 0 24 24" class="sign">${sign}</svg>`);

function emblem(name, category) {
  const root = drawn(canvas(""));
  const turn = hash(name) % 4;
  const shapes = [
    s("circle", { class: "m", cx: 60, cy: 48, r: 30 }),
    s("path", { class: "l", d: "M60 18a30 30 0 0 1 30 30H60z", transform: `rotate(${turn * 90} 60 48)` }),
    s("path", { class: "d", d: "M60 78a30 30 0 0 1-30-30h30z", transform: `rotate(${turn * 90} 60 48)`, opacity: 0.55 }),
    s("circle", { class: "w", cx: 60, cy: 48, r: 17 }),
  ];
  const letter = s("text", { class: "letter", x: 60, y: 56, "text-anchor": "middle" }, initial(name));
  const corner = s("circle", { class: "l", cx: 14 + (hash(category) % 92), cy: hash(category) % 2 ? 10 : 88, r: 7 });
  root.append(corner, ...shapes, letter);
  return root;
}

const canvas = (inside) => `<svg class="picture" viewBox="0 0 120 96" aria-hidden="true" focusable="false">${inside}</svg>`;
const initial = (name) => (name.match(/[\p{L}\p{N}]/u)?.[0] ?? "?").toUpperCase();

/** FNV-1a: the same text has the same picture in every browser. */
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
