// The two views: shelves, one a category, and columns, one a way of ranking. Elements are kept by key from one answer
// to the next, so that what moves on the page is the card itself.

import { card, movement, priced, retell } from "./cards.js";
import { arrange, h } from "./dom.js";
import { glide } from "./flip.js";
import { named } from "./words.js";

/** What draws the lists into root. does: as in `card`. */
export function lists(root, does) {
  let kept = new Map();
  let before = null;

  /** groups: [{ key, kind, head, items, place, steady, still }] in order; returns how many cards and groups moved.
   * place: item_id -> what stands for the price. steady: the group does not move, still: nor do its cards. */
  function show(groups, words, language) {
    const now = new Map();
    const places = new Map(groups.flatMap((group) => group.items.map((item, place) => [key(group, item), place + 1])));
    const steps = new Map(groups.filter((group) => !group.steady).map((group, place) => [group.key, place + 1]));
    const held = holding();
    let moved = 0;
    glide(root, () => {
      arrange(root, groups.map((group) => {
        const element = reuse(now, group.key, () => shell(group));
        element.querySelector(".head").replaceChildren(...group.head, stepped(group.key, steps, words));
        moved += filled(element, group, now, words, language);
        return element;
      }));
    });
    const shelves = [...steps].filter(([name, place]) => ![undefined, place].includes(wasOf(name, place))).length;
    kept = now;
    before = { places, steps, groups: new Set(groups.map((group) => group.key)) };
    take(held);
    return { cards: moved, shelves };
  }

  /** Put the cards on; returns how many have moved. */
  function filled(element, group, now, words, language) {
    let moved = 0;
    const cards = group.items.map((item, index) => {
      const name = key(group, item);
      const old = before?.groups.has(group.key) && !group.still ? before.places.get(name) ?? 0 : undefined;
      if (old !== undefined && old !== index + 1) moved += 1;
      const shown = reuse(now, name, () => card(item, name, words, does));
      retell(shown, item, index + 1, old, words, facts(group, item, words, language));
      return shown;
    });
    arrange(element.querySelector(".track"), cards);
    return moved;
  }

  /** The place of a group before; 0: it has come in; undefined: nothing was shown, or it has only been added below. */
  function wasOf(name, place) {
    const was = before?.steps.get(name);
    return was === undefined && before && place <= before.steps.size ? 0 : was;
  }

  function stepped(name, steps, words) {
    const place = steps.get(name);
    return (place && movement(place, wasOf(name, place), words)) ?? "";
  }

  function reuse(now, name, make) {
    const element = kept.get(name) ?? make();
    now.set(name, element);
    return element;
  }

  /** Where the keyboard is: the key of the card, what on it, and the shelf and place that it had. */
  function holding() {
    const at = document.activeElement?.closest?.(".card");
    if (!at || !root.contains(at)) return null;
    const track = at.parentElement;
    const group = track.closest("[data-key]").dataset.key;
    return { name: at.dataset.key, act: document.activeElement.dataset.act, group, place: [...track.children].indexOf(at) };
  }

  /** Give the keyboard back to the card, or to what now stands where it stood. */
  function take(held) {
    if (!held) return;
    const track = kept.get(held.group)?.querySelector(".track");
    const to = kept.get(held.name) ?? track?.children[Math.min(held.place, track.children.length - 1)];
    to?.querySelector(`[data-act="${held.act}"]`)?.focus({ preventScroll: true });
  }

  /** Forget what was shown, so that nothing counts as moved: for another view or language. */
  function forget() {
    kept = new Map();
    before = null;
    root.replaceChildren();
  }

  return { show, forget };
}

const key = (group, item) => `${group.key}/${item.item_id}`;

function shell(group) {
  return h("section", { class: `group ${group.kind}`, data: { key: group.key } }, h("div", { class: "head" }), h("div", { class: "track" }));
}

function facts(group, item, words, language) {
  if (group.place?.has(item.item_id)) return group.place.get(item.item_id);
  const price = priced(item.price, language, words);
  return group.kind === "column" ? [named(language, item.category ?? ""), price].filter(Boolean).join(" · ") : price;
}

/** A category's shelf. */
export function shelfGroup(shelf, words, language) {
  const name = named(language, shelf.category);
  const domain = shelf.domain && shelf.domain !== shelf.category ? h("span", { class: "domain" }, named(language, shelf.domain)) : "";
  return { key: `shelf:${shelf.category}`, kind: "shelf", head: [h("h3", {}, name), domain], items: shelf.items };
}

/** The shelf of what was added here. place: item_id -> the sentence that says where it stands. */
export function addedGroup(items, place, words) {
  const head = [h("h3", {}, words.added), h("span", { class: "domain" }, words.addedText)];
  return { key: "added", kind: "shelf added", head, items, place, steady: true, still: true };
}

/** The column of one way of ranking. */
export function columnGroup(strategy, items, ours, words) {
  const both = items.filter((item) => ours.has(item.item_id)).length;
  const told = strategy === "adapted" ? "" : h("span", { class: "domain" }, words.shared(both, items.length));
  const head = [h("h3", {}, words[strategy === "adapted" ? "ours" : strategy]), told];
  return { key: `column:${strategy}`, kind: "column", head, items, steady: true };
}
