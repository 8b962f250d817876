// Cards and shelves glide to their new places (first, last, invert, play): measured before and after a change of the
// page, an element is put back to where it was and let go.

const GLIDE = { duration: 480, easing: "cubic-bezier(.22, .9, .25, 1)" };
const APPEAR = { duration: 320, easing: "ease-out" };
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Make the change; what is in sight of root's groups and their cards moves from its old place, cards within theirs. */
export function glide(root, change) {
  if (calm.matches || root.childElementCount === 0) return change();
  const before = places(root);
  change();
  for (const [element, [x, y]] of places(root)) {
    const old = before.get(element);
    if (!old) {
      element.animate([{ opacity: 0, transform: "scale(.94)" }, { opacity: 1, transform: "none" }], APPEAR);
    } else if (old[0] !== x || old[1] !== y) {
      element.animate([{ transform: `translate(${old[0] - x}px, ${old[1] - y}px)` }, { transform: "none" }], GLIDE);
    }
  }
}

/** Element -> [x, y]: groups within root, cards within their group; only of groups in sight, as nobody sees the others. */
function places(root) {
  const found = new Map();
  const whole = root.getBoundingClientRect();
  for (const group of root.children) {
    const box = group.getBoundingClientRect();
    found.set(group, [box.left - whole.left, box.top - whole.top]);
    if (box.bottom < 0 || box.top > innerHeight) continue;
    for (const card of group.querySelectorAll("[data-key]")) {
      const { left, top } = card.getBoundingClientRect();
      found.set(card, [left - box.left, top - box.top]);
    }
  }
  return found;
}
