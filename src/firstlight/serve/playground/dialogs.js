// What is told in a window of its own: why an item is there, the keys, a text to copy, and the question for a key.

import { byId, h, icon } from "./dom.js";
import { picture } from "./pictures.js";
import { named } from "./words.js";

/** The shares of an item's lead, the largest first, and what each rests on. takeBack: (event's index). */
export function why(item, events, words, language, takeBack) {
  const shared = item.reasons.every(({ share }) => share !== null);
  const value = (reason) => (shared ? reason.share : reason.added);
  const reasons = [...item.reasons].sort((a, b) => Math.abs(value(b)) - Math.abs(value(a)));
  const shown = shared ? whole(reasons.map(value)) : reasons.map((reason) => value(reason).toFixed(3));
  const low = Math.min(0, ...reasons.map(value));
  const span = Math.max(0, ...reasons.map(value)) - low || 1;
  const rows = reasons.map((reason, n) => {
    const place = events.findIndex(({ item_id: id }) => id === reason.item_id);
    const without = () => { byId("dialog").close(); takeBack(place); };
    const back = place >= 0 && h("button", { class: "quiet", onclick: without }, words.without);
    return h("li", { data: { kind: reason.kind } }, h("span", { class: "because" }, because(reason, words, language), back),
      bar(value(reason), low, span), h("span", { class: "share" }, signed(shown[n], shared)));
  });
  const sum = shared && h("li", { class: "total" }, h("span", { class: "because" }, words.total),
    h("span", { class: "share" }, signed(shown.reduce((a, b) => a + b, 0), true)));
  open(words.whyOf(item.title || item.item_id), words,
    h("div", { class: "subject" }, picture(item), h("p", {}, shared ? words.whyText : words.whyNoLead)),
    h("ol", { class: "reasons" }, rows, sum));
}

/** The keys. */
export function keys(words) {
  const row = ([key, text]) => h("div", {}, h("dt", {}, key.split(" ").map((part) => h("kbd", {}, part))), h("dd", {}, text));
  open(words.help, words, h("dl", { class: "keys" }, words.shortcuts.map(row)));
}

/** Copy the text, and show it, for where the browser does not allow that. */
export async function copy(title, text, words) {
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  open(title, words, h("p", {}, done ? words.copied : words.copyThis), h("pre", { tabindex: 0 }, text));
}

/** Ask for a key: (sentence) -> it, or null. */
export function askForKey(sentence, words) {
  const input = h("input", { type: "password", name: "key", required: true, autocomplete: "off" });
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog", class: "ask", onsubmit: () => resolve(input.value) }, h("p", {}, sentence),
      h("label", {}, h("span", {}, words.keyLabel), input), h("p", { class: "hint" }, words.keyText), h("button", { class: "strong" }, words.keyUse));
    open(words.keyTitle, words, form).addEventListener("close", () => resolve(null), { once: true });
    input.focus();
  });
}

function open(title, words, ...inside) {
  const dialog = byId("dialog");
  if (dialog.open) dialog.close();
  const close = h("button", { class: "round close", "aria-label": words.close, onclick: () => dialog.close() }, icon("close"));
  dialog.replaceChildren(h("h2", { id: "dialog-title" }, title), close, ...inside);
  dialog.showModal();
  return dialog;
}

function because(reason, words, language) {
  const name = words.reasons[reason.kind];
  if (typeof name === "string") return name;
  const did = (words.did[reason.type] ?? words.did.click)(reason.title || reason.item_id);
  return name(did, named(language, reason.from ?? ""), named(language, reason.to ?? ""));
}

/** A bar from zero to the value, to the left where it is negative. */
function bar(value, low, span) {
  const drawn = h("span", { class: value < 0 ? "bar below" : "bar" });
  drawn.style.setProperty("--share", Math.abs(value) / span);
  drawn.style.setProperty("--from", (Math.min(0, value) - low) / span);
  return drawn;
}

const signed = (value, percent) => `${value}${percent ? " %" : ""}`.replace("-", "−");

/** Whole percents that add up to 100: what rounding loses goes to those that it cost the most. */
function whole(shares) {
  const floors = shares.map((share) => Math.floor(100 * share));
  const missing = Math.round(100 * shares.reduce((a, b) => a + b, 0)) - floors.reduce((a, b) => a + b, 0);
  const order = shares.map((share, n) => [100 * share - floors[n], n]).sort((a, b) => b[0] - a[0]);
  for (const [, n] of order.slice(0, missing)) floors[n] += 1;
  return floors;
}
