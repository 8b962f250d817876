// The page without a mouse: letters do what the buttons of the card under the keyboard do, arrows go from card to card.

const ON_CARD = { f: "favourite", c: "cart", b: "purchase", w: "why" };
const ANYWHERE = { z: "undo", 1: "shelves", 2: "compare", n: "add", l: "language", d: "theme", "?": "help", escape: "leave" };
const ARROWS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };

/** does: what each name of ANYWHERE stands for. */
export function keyboard(root, does) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    const key = event.key.toLowerCase();
    const at = event.target.closest(".card");
    if (at && ON_CARD[key]) at.querySelector(`[data-act="${ON_CARD[key]}"]`).click();
    else if (ANYWHERE[key]) does[ANYWHERE[key]]();
    else if (!at || !ARROWS[key] || !walk(at, ...ARROWS[key])) return;
    event.preventDefault();
  });
}

/** To the neighbour; false where there is none. */
function walk(card, x, y) {
  const track = card.parentElement;
  const rows = [...document.querySelectorAll(".track")].filter((row) => row.children.length);
  // In columns the cards stand below each other, so that the two ways are exchanged.
  const [along, across] = document.body.dataset.view === "compare" ? [y, x] : [x, y];
  const place = [...track.children].indexOf(card) + along;
  const row = rows[rows.indexOf(track) + across];
  const to = across ? row?.children[Math.min(place, row.children.length - 1)] : track.children[place];
  to?.querySelector(".face").focus();
  to?.scrollIntoView({ block: "nearest", inline: "nearest" });
  return Boolean(to);
}
