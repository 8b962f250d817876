// What the words of a title look like: a word for a material or a colour tints the item, a word for a style its ground,
// some words put a pattern on it, and a word for a subject sets a small sign beside it.

const COLOURS = `
wooden b9824f  velvet 8a2f5c  linen cdbb97  cotton a9c6dc  denim 4a6fa5  woollen b38b6d  silk d7a6c2  red d2473f
black 3b3d45  white e9e7e2  floral e38fa6  striped 5b86b8  knitted c0865a  leather 8b5a3a  canvas b5a37a  suede a5764f
quilted 7d6aa8  woven b69a63  waxed 6d7444  beaded 4f9a94  silver b5bcc6  gold d9ab3c  pearl e4d9cf  amber e09a2c
jade 4f9f78  crystal 9cc9e0  copper c07a4b  enamel 3f7fbf  coral ee7f6a  onyx 41434d  moonstone a9b4d8  metal 98a2ae
transparent b7dbe6  waterproof 3a8fb7  foldable 7b8bd4  slim 8895a5  matte 6c7078  solar e8b534  curved 7f8ea3
portable e2795b  compact 6fa39a  ceramic d98e73  bamboo a8b565  marble c9cbd2
magnetic c9504a  dinosaur 6c9c54  space 4a4f9c  fairy c58ad2  animal d19a58  pirate 5a5f6e  farm 89a84b  racing d8433b
musical 7d6bc4  ocean 3b93b8  circus e3674c  crime 4d5365  travel 3f9c9c  cooking dd8a3c  history a98a5b  nature 5f9d5c
football 4f9b57  war 77785a  love dd5f7d  robot 7b93a8  political 5970a8  economic 3f8f76  climate 5ba3c9  health d85f5f
science 6a78cf  local b57f54  piano 4b4e5b  jazz 8a5fb0  folk a5884b  electronic 3fa7b8  guitar c2733c  choir 8f7fc4
opera a8324c  soul d0753f  techno 4766d6  brass d3a03f  acoustic b98a56`;

const GROUNDS = `
bold f6b89a  classic e3dccb  colourful f7d9a6  dark b9b8c6  dreamy d9d3f0  elegant e6d7e3  futuristic c8e3ee  gentle f3e1df
minimalist e8e9ea  modern d5dfe8  nordic dbe6e6  nostalgic ead7bd  playful fbdfb0  quirky d8ecc2  romantic f6d3d9
rustic e6d3b8  tropical bfe6d2  urban d3d6da  vintage e8d5b5  wild cfddb8`;

const PATTERNS = { striped: "striped", floral: "floral", quilted: "quilted", woven: "woven", knitted: "woven",
  wooden: "grain", bamboo: "grain", marble: "marble", beaded: "beaded", waxed: "quilted" };

const SIGNS = {
  star: `<path d="M12 2l3 7 7 .5-5.5 4.5 2 7L12 17l-6.5 4 2-7L2 9.5 9 9z"/>`,
  planet: `<circle cx="12" cy="12" r="6"/><ellipse cx="12" cy="12" rx="11" ry="3.6" fill="none" stroke="currentColor" stroke-width="2" transform="rotate(-25 12 12)"/>`,
  paw: `<ellipse cx="12" cy="16" rx="6" ry="5"/><circle cx="5" cy="10" r="2.5"/><circle cx="10" cy="6" r="2.5"/><circle cx="15" cy="6" r="2.5"/><circle cx="19.5" cy="10.5" r="2.5"/>`,
  dino: `<path d="M3 20c0-8 5-11 8-11V5c0-3 9-3 10 0v3h-6v4c3 4 2 8 1 8h-3v-4h-2v4H8v-3c-2 0-3 3-5 3z"/>`,
  skull: `<path d="M12 3c6 0 9 4 9 8 0 3-1 4-3 5v4H6v-4c-2-1-3-2-3-5 0-4 3-8 9-8z"/><g class="h"><circle cx="8.5" cy="11" r="2"/><circle cx="15.5" cy="11" r="2"/></g>`,
  leaf: `<path d="M4 20C2 8 10 3 21 3c0 12-6 18-15 15l-1 3z"/>`,
  flag: `<path d="M4 2h2v20H4zM6 3h15v11H6z"/><path d="M6 3h5v3.7H6zM16 3h5v3.7h-5zM11 6.7h5v3.6h-5zM6 10.3h5V14H6zM16 10.3h5V14h-5z" class="h"/>`,
  note: `<path d="M8 4l12-2v14a3.5 3 0 1 1-2-2.7V6l-8 1.4V18a3.5 3 0 1 1-2-2.7z"/>`,
  wave: `<path d="M1 15c4 0 4-6 8-6s4 6 7 6 4-2 7-2v7H1z"/>`,
  tent: `<path d="M12 2l1 4 9 6-2 1v9h-5l-3-8-3 8H4v-9l-2-1 9-6z"/>`,
  lens: `<circle cx="10" cy="10" r="6.5" fill="none" stroke="currentColor" stroke-width="3"/><path d="M15 15l6 6" stroke="currentColor" stroke-width="4" stroke-linecap="round"/>`,
  plane: `<path d="M2 13l20-10-6 19-4-7z"/>`,
  pot: `<path d="M4 10h16v8q0 3-3 3H7q-3 0-3-3zM2 6h20v2.5H2zM10 3h4v3h-4z"/>`,
  pillars: `<path d="M12 2l10 6H2zM4 9h3v9H4zM10.5 9h3v9h-3zM17 9h3v9h-3zM2 19h20v3H2z"/>`,
  ball: `<circle cx="12" cy="12" r="10"/><path d="M12 7l5 4-2 5H9l-2-5z" class="h"/>`,
  shield: `<path d="M12 2l9 3c0 9-3 14-9 17-6-3-9-8-9-17z"/>`,
  heart: `<path d="M12 21C3 15 1 11 2 7c2-5 8-4 10 0 2-4 8-5 10 0 1 4-1 8-10 14z"/>`,
  robot: `<path d="M11 2h2v4h6q2 0 2 2v11q0 2-2 2H5q-2 0-2-2V8q0-2 2-2h6z"/><g class="h"><circle cx="8.5" cy="12" r="2"/><circle cx="15.5" cy="12" r="2"/><path d="M8 16.5h8V18H8z"/></g>`,
  chart: `<path d="M2 20h20v2H2zM4 12h4v7H4zM10 7h4v12h-4zM16 3h4v16h-4z"/>`,
  cloud: `<path d="M6 19a5 5 0 0 1 0-10 6.5 6.5 0 0 1 12 1 4.5 4.5 0 0 1 0 9z"/>`,
  cross: `<path d="M9 3h6v6h6v6h-6v6H9v-6H3V9h6z"/>`,
  flask: `<path d="M9 2h6v2h-1v5l7 11q0 2-2 2H5q-2 0-2-2l7-11V4H9z"/>`,
  pin: `<path d="M12 2a8 8 0 0 1 8 8c0 5-8 12-8 12S4 15 4 10a8 8 0 0 1 8-8z"/><circle cx="12" cy="10" r="3" class="h"/>`,
  keys: `<rect x="2" y="4" width="20" height="16" rx="2"/><path d="M7 4h3v9H7zM14 4h3v9h-3z" class="h"/>`,
  magnet: `<path d="M4 3h5v9a3 3 0 0 0 6 0V3h5v9a8 8 0 0 1-16 0z"/><path d="M4 3h5v4H4zM15 3h5v4h-5z" class="h"/>`,
  sun: `<circle cx="12" cy="12" r="5"/><path d="M12 1v4M12 19v4M1 12h4M19 12h4M4 4l3 3M17 17l3 3M20 4l-3 3M7 17l-3 3" stroke="currentColor" stroke-width="2"/>`,
  drop: `<path d="M12 2c5 7 7 10 7 13a7 7 0 0 1-14 0c0-3 2-6 7-13z"/>`,
};

const SIGN_OF = { space: "planet", fairy: "star", animal: "paw", dinosaur: "dino", pirate: "skull", farm: "leaf", racing: "flag",
  musical: "note", ocean: "wave", circus: "tent", crime: "lens", travel: "plane", cooking: "pot", history: "pillars",
  nature: "leaf", football: "ball", war: "shield", love: "heart", robot: "robot", political: "pillars", economic: "chart",
  climate: "cloud", health: "cross", science: "flask", local: "pin", piano: "keys", jazz: "note", folk: "leaf",
  electronic: "chart", guitar: "note", choir: "note", opera: "star", soul: "heart", techno: "chart", brass: "note",
  acoustic: "note", magnetic: "magnet", solar: "sun", waterproof: "drop" };

const table = (text) => Object.fromEntries([...text.matchAll(/(\S+) ([0-9a-f]{6})/g)].map(([, word, hex]) => [word, `#${hex}`]));
const COLOUR_OF = table(COLOURS);
const GROUND_OF = table(GROUNDS);

/** What the words say: { colour, ground, pattern, sign }, each null where no word says it; sign is constant SVG. */
export function look(words) {
  const said = (of) => words.map((word) => Object.hasOwn(of, word) && of[word]).find(Boolean) ?? null;
  const sign = said(SIGN_OF);
  return { colour: said(COLOUR_OF), ground: said(GROUND_OF), pattern: said(PATTERNS), sign: sign && SIGNS[sign] };
}
