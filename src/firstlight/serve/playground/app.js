// The playground: the person's events and wishes are the state, every list is asked for anew when it changes.

import { connect, curl } from "./api.js";
import * as dialogs from "./dialogs.js";
import { byId } from "./dom.js";
import { keyboard } from "./keyboard.js";
import { addedGroup, columnGroup, lists, shelfGroup } from "./lists.js";
import { meter } from "./meter.js";
import * as panel from "./panel.js";
import { fresh, person, read, wishes, write } from "./state.js";
import { LANGUAGES, named } from "./words.js";

const A_SHELF = 12, A_COLUMN = 12, MORE = 8, PLACES = 200;
const COLUMNS = ["adapted", "item-knn", "popular"];

const facts = new Map();
const view = lists(byId("lists"), { act, why });
const api = connect({ askForKey: (sentence) => dialogs.askForKey(sentence, words), unreachable: () => words.unreachable });
let state = read(location.hash);
let language = preferred("firstlight-language", navigator.language.startsWith("zh") ? "zh" : "en", Object.keys(LANGUAGES));
let words = LANGUAGES[language];
let models = { profile: {}, categories: [], report: null };
let asked = null;
let turn = 0;

function preferred(name, otherwise, allowed) {
  const kept = localStorage.getItem(name);
  return allowed.includes(kept) ? kept : otherwise;
}

// What is asked

async function refresh() {
  const mine = (turn += 1);
  const started = performance.now();
  byId("lists").setAttribute("aria-busy", "true");
  try {
    const { groups, answer } = await (state.view === "compare" ? compared() : shelved());
    if (mine !== turn) return;
    keep(groups.flatMap((group) => group.items));
    await known();
    if (mine !== turn) return;
    tell(view.show(groups, words, language), groups, answer, Math.round(performance.now() - started));
  } catch (problem) {
    if (mine === turn) fail(problem);
  } finally {
    if (mine === turn) byId("lists").removeAttribute("aria-busy");
  }
}

async function shelved() {
  asked = ["categories/recommend", { ...person(state), ...wishes(state), n: state.shelves, items: A_SHELF }];
  const [answer, added] = await Promise.all([api.post(...asked), placed()]);
  return { answer, groups: [...added, ...answer.categories.map((shelf) => shelfGroup(shelf, words, language))] };
}

async function compared() {
  const asks = COLUMNS.map((strategy) => ["recommend", { ...person(state), ...wishes(state), strategy, n: A_COLUMN }]);
  asked = asks[0];
  const answers = await Promise.all(asks.map((ask) => api.post(...ask)));
  const ours = new Set(answers[0].items.map((item) => item.item_id));
  return { answer: answers[0], groups: answers.map((answer, n) => columnGroup(COLUMNS[n], answer.items, ours, words)) };
}

/** The shelf of what was added here, with the place that each has in its category; none where there is nothing. */
async function placed() {
  const seen = new Set(state.events.map((event) => event.item_id));
  const wanted = state.added.filter(({ item_id: id }) => !seen.has(id));
  if (!wanted.length) return [];
  const names = [...new Set(wanted.map(({ category }) => category))];
  const ids = wanted.map(({ item_id: id }) => id);
  const [ranked, ...found] = await Promise.all([
    api.post("rank", { ...person(state), item_ids: ids }),
    ...names.map((name) => api.post("recommend", { ...person(state), n: PLACES, filter: { eq: { field: "category", value: name } } })),
  ]);
  const ranks = new Map(found.flatMap(({ items }) => items).map((item) => [item.item_id, item.rank]));
  const place = new Map(ranked.items.map((item) => {
    const category = named(language, item.category);
    return [item.item_id, ranks.has(item.item_id) ? words.addedPlace(ranks.get(item.item_id), category) : words.addedBeyond(category)];
  }));
  return ranked.items.length ? [addedGroup(ranked.items, place, words)] : [];
}

/** What a link tells of by its id only: title and category of the items of the events. */
async function known() {
  const unknown = [...new Set(state.events.map((event) => event.item_id))].filter((id) => !facts.has(id));
  if (unknown.length) keep((await api.post("rank", { item_ids: unknown })).items);
}

function keep(items) {
  for (const item of items) facts.set(item.item_id, item);
}

// What is told

function tell(moved, groups, answer, took) {
  byId("problem").hidden = true;
  const { stage, fallback } = answer.cold_start;
  byId("stage").textContent = words.stage[stage];
  byId("stage").dataset.stage = stage;
  byId("status").textContent = words.ranked(took);
  const note = [fallback && words.fallback(words[fallback] ?? fallback), answer.note].filter(Boolean).join(" ");
  byId("note").textContent = groups.some((group) => group.items.length) ? note : note || words.empty;
  byId("note").hidden = !byId("note").textContent;
  byId("more").hidden = state.view !== "shelves" || (answer.categories?.length ?? 0) < state.shelves;
  byId("model").textContent = answer.model ? words.model(answer.model) : "";
  const [first] = groups.filter((group) => group.items.length && group.key !== "added");
  const [leader] = first?.items ?? [];
  const told = [moved.cards + moved.shelves ? words.moved(moved.cards, moved.shelves) : words.unmoved];
  if (leader) told.push(words.first(named(language, leader.category ?? ""), leader.title || leader.item_id));
  byId("told").textContent = told.join(" ");
  redraw();
}

function fail(problem) {
  byId("problem").firstElementChild.textContent = problem.message;
  byId("problem").hidden = false;
}

/** Everything that follows from the state without asking anybody. */
function redraw() {
  const events = state.events;
  panel.timeline(byId("events"), events, facts, words, takeBack);
  byId("no-events").hidden = events.length > 0;
  byId("clear").hidden = events.length === 0 && !write(state);
  meter(byId("meter"), models.report, new Set(events.map((event) => event.item_id)).size, words);
}

function settings() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = words.title;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = words[element.dataset.text];
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", words[element.dataset.label]);
    if (element.tagName === "BUTTON") element.title = words[element.dataset.label];
  }
  for (const name of ["shelves", "compare"]) byId(`tab-${name}`).setAttribute("aria-pressed", String(state.view === name));
  document.querySelector(".opening p").textContent = state.view === "compare" ? words.compareIntro : words.intro;
  document.body.dataset.view = state.view;
  panel.profile(byId("profile"), models.profile, state.profile, words, language, choose);
  panel.sliders(byId("sliders"), state, words, slide, draw);
  panel.categories(byId("add"), models.categories, words, language);
  redraw();
}

// What the person does

function change(changes) {
  state = { ...state, ...changes };
  history.replaceState(null, "", write(state) ? `#${write(state)}` : location.pathname);
  return refresh();
}

function act(type, item) {
  keep([item]);
  change({ events: [...state.events, { type, item_id: item.item_id }] });
}

function takeBack(index) {
  change({ events: state.events.filter((_, n) => n !== index) });
}

async function why(item) {
  try {
    const answer = await api.post("explain", { ...person(state), item_id: item.item_id });
    dialogs.why({ ...item, ...answer.item }, state.events, words, language, takeBack);
  } catch (problem) {
    fail(problem);
  }
}

function choose(column, value) {
  const { [column]: _, ...rest } = state.profile;
  change({ profile: value === null ? rest : { ...rest, [column]: value } });
}

let sliding = 0;
function slide(name, value) {
  state[name] = value;
  byId("draw").disabled = state.explore === 0;
  clearTimeout(sliding);
  sliding = setTimeout(() => change({}), 60);
}

function draw() {
  change({ seed: state.seed + 1 });
}

function show(name) {
  if (state.view === name) return;
  view.forget();
  change({ view: name });
  settings();
}

function restart() {
  view.forget();
  change({ ...fresh(), view: state.view, added: state.added });
  settings();
}

async function add(event) {
  event.preventDefault();
  const form = byId("add");
  const item = panel.composed(form);
  const add = form.querySelector("button");
  add.disabled = true;
  try {
    const { rejected } = await api.put("items", { items: [{ ...item, ...(await domainOf(item.category)) }] });
    if (rejected?.length) throw new Error(rejected[0].detail);
    if (!models.categories.includes(item.category)) models.categories = [...models.categories, item.category];
    form.reset();
    panel.opened(form);
    settings();
    await change({ view: "shelves", added: [...state.added, { item_id: item.item_id, category: item.category }] });
    settings();
    panelOpen(false);
    byId("told").textContent = words.done(item.title);
    document.querySelector(".added")?.scrollIntoView({ block: "center" });
  } catch (problem) {
    fail(problem);
  } finally {
    add.disabled = false;
  }
}

/** { domain } of a category, as its other items have it; {} where there are none. */
async function domainOf(category) {
  const filter = { eq: { field: "category", value: category } };
  const answer = await api.post("recommend", { n: 1, filter }).catch(() => null);
  const domain = answer?.items[0]?.domain;
  return domain ? { domain } : {};
}

function speak() {
  language = language === "en" ? "zh" : "en";
  words = LANGUAGES[language];
  localStorage.setItem("firstlight-language", language);
  view.forget();
  settings();
  refresh();
}

function dress(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function turnLights() {
  const { theme } = document.documentElement.dataset;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem("firstlight-theme", dark ? "light" : "dark");
  dress(dark ? "light" : "dark");
}

function panelOpen(open) {
  document.body.classList.toggle("panel-open", open);
  byId("open-panel").setAttribute("aria-expanded", String(open));
  if (open) byId("close-panel").focus();
}

const copyCurl = () => asked && dialogs.copy(words.curl, curl(...asked), words);
const share = () => dialogs.copy(words.share, location.href, words);
const undo = () => state.events.length && takeBack(state.events.length - 1);
const startAdding = () => { panelOpen(true); byId("add").elements.title.focus(); };

const showHelp = () => dialogs.keys(words);

const clicks = {
  "tab-shelves": () => show("shelves"),
  "tab-compare": () => show("compare"),
  "add-item": startAdding,
  curl: copyCurl,
  share,
  language: speak,
  theme: turnLights,
  help: showHelp,
  "open-panel": () => panelOpen(!document.body.classList.contains("panel-open")),
  "close-panel": () => { panelOpen(false); byId("open-panel").focus(); },
  clear: restart,
  again: () => start(),
  more: () => change({ shelves: state.shelves + MORE }),
};
for (const [id, does] of Object.entries(clicks)) byId(id).addEventListener("click", does);
byId("brand").addEventListener("click", (event) => { event.preventDefault(); restart(); });
byId("add").addEventListener("submit", add);
byId("add").elements.category.addEventListener("change", () => panel.opened(byId("add")));
addEventListener("hashchange", () => { state = read(location.hash); view.forget(); settings(); refresh(); });
keyboard(document, {
  undo,
  shelves: clicks["tab-shelves"],
  compare: clicks["tab-compare"],
  add: startAdding,
  language: speak,
  theme: turnLights,
  help: showHelp,
  leave: () => panelOpen(false),
});

async function start() {
  dress(preferred("firstlight-theme", null, ["light", "dark"]));
  settings();
  try {
    models = await api.get("models");
  } catch (problem) {
    return fail(problem);
  }
  settings();
  await refresh();
}

start();
