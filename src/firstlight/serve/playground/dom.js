// Elements without a framework. Text goes in as text nodes only, so nothing of a catalogue can become markup.

const SVG = "http://www.w3.org/2000/svg";
const parsed = new Map();

/** An element. props: listeners (onclick), dataset, class, hidden and so on; children: nodes, texts, null. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same in SVG. */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

/** The one element that the constant markup holds, a new one each time. Never for anything that comes from data. */
export function drawn(markup) {
  if (!parsed.has(markup)) {
    const template = document.createElement("template");
    template.innerHTML = markup;
    parsed.set(markup, template.content.firstElementChild);
  }
  return parsed.get(markup).cloneNode(true);
}

/** A sign of 24 by 24 from its constant path. */
export function icon(name) {
  return drawn(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${ICONS[name]}</svg>`);
}

/** Make these the children of parent, moving as few as can be: what stays where it is need not be laid out again. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
}

export const byId = (id) => document.getElementById(id);

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const ICONS = {
  click: `<path d="M6 3l13 9-6 1.5L10 20z"/>`,
  favourite: `<path d="M12 20C4 14.5 3 11 3 8.5A4.5 4.5 0 0 1 12 7a4.5 4.5 0 0 1 9 1.5c0 2.5-1 6-9 11.5z"/>`,
  cart: `<path d="M2.5 4H5l2.5 11h10l2.5-8H6.5"/><circle cx="9" cy="19" r="1.5"/><circle cx="16" cy="19" r="1.5"/>`,
  purchase: `<path d="M5 8h14l1 12H4zM8.5 8a3.5 3.5 0 0 1 7 0"/><path d="M9 14l2.2 2.2L15.5 12"/>`,
  why: `<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5c0-3.5 5-3.3 5-.3 0 2-2.5 2.2-2.5 4.3M12 17v.1"/>`,
  close: `<path d="M6 6l12 12M18 6L6 18"/>`,
  chance: `<rect x="4" y="4" width="16" height="16" rx="4"/><path d="M8.5 8.5v.01M15.5 15.5v.01M12 12v.01M15.5 8.5v.01M8.5 15.5v.01"/>`,
};
