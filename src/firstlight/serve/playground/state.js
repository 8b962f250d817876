// What the page is about: the person's events and what is asked for. All of it fits into the address, so that a link
// shows somebody else the same lists; the lists themselves are a pure function of it.

export const EVENT_TYPES = ["click", "favourite", "cart", "purchase"];
export const SLIDERS = ["cross", "diversity", "explore"];
const MOST_EVENTS = 200;

export function fresh() {
  return { events: [], profile: {}, cross: 0, diversity: 0, explore: 0, seed: 0, view: "shelves", shelves: 8, added: [] };
}

/** The state that a fragment of an address tells of; what cannot be read is left as it is in a fresh one. */
export function read(fragment) {
  const told = new URLSearchParams(fragment.replace(/^#/, ""));
  const state = fresh();
  state.events = pairs(told.getAll("e")).filter(([type]) => EVENT_TYPES.includes(type)).slice(0, MOST_EVENTS)
    .map(([type, item_id]) => ({ type, item_id }));
  state.profile = Object.fromEntries(pairs(told.getAll("p")));
  state.added = pairs(told.getAll("new")).map(([item_id, category]) => ({ item_id, category }));
  for (const name of SLIDERS) state[name] = Math.min(1, Math.max(0, Number(told.get(name)) || 0));
  state.seed = Math.max(0, Math.trunc(Number(told.get("seed")) || 0));
  state.view = told.get("view") === "compare" ? "compare" : "shelves";
  state.shelves = Math.min(100, Math.max(1, Math.trunc(Number(told.get("shelves")) || fresh().shelves)));
  return state;
}

/** The fragment that tells of the state, "" for a fresh one. */
export function write(state) {
  const told = new URLSearchParams();
  for (const { type, item_id } of state.events) told.append("e", `${type}~${item_id}`);
  for (const [column, value] of Object.entries(state.profile)) told.append("p", `${column}~${value}`);
  for (const { item_id, category } of state.added) told.append("new", `${item_id}~${category}`);
  for (const name of [...SLIDERS, "seed", "view", "shelves"]) {
    if (state[name] !== fresh()[name]) told.set(name, state[name]);
  }
  return told.toString();
}

/** The person of a request: what they did, and what is known of them. */
export function person(state) {
  const { device, ...group } = state.profile;
  const context = { ...(device && { device }), ...(Object.keys(group).length && { group }) };
  return { events: state.events.map(({ type, item_id }) => ({ item_id, type })), ...(Object.keys(context).length && { context }) };
}

/** How a list is to be made. */
export function wishes({ cross, diversity, explore, seed }) {
  return { cross_category: cross, diversity, explore, seed };
}

function pairs(texts) {
  return texts.filter((text) => text.includes("~")).map((text) => {
    const cut = text.indexOf("~");
    return [text.slice(0, cut), text.slice(cut + 1)];
  });
}
