// The page's words: strings/LANGUAGE.json, the file that Python reads too.
let language = "en";
let words = {};

// The language that a person chose, or else the first of the browser's that there is.
export function preferred(languages) {
  const wanted = [localStorage.getItem("mien.language"), ...navigator.languages];
  const primary = wanted.map((tag) => tag?.split("-")[0]);
  return primary.find((tag) => tag in languages) ?? "en";
}

export async function load(tag) {
  const answer = await fetch(`strings/${tag}.json`);
  if (!answer.ok) throw new Error(`strings/${tag}.json: ${answer.status}`);
  words = (await answer.json()).page;
  language = tag;
}

// Kept before the words are there: whoever leaves the page meanwhile has chosen all the same.
export async function choose(tag) {
  localStorage.setItem("mien.language", tag);
  await load(tag);
}

export function currentLanguage() {
  return language;
}

export function t(key, values = {}) {
  return (words[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Fills every element that names a string in data-t (text), data-t-label (accessible name)
// or data-t-title (accessible name and tooltip).
export function translate(root = document) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]"))
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of root.querySelectorAll("[data-t-title]")) {
    node.title = t(node.dataset.tTitle);
    node.setAttribute("aria-label", node.title);
  }
  for (const node of root.querySelectorAll("[data-language]"))
    node.setAttribute("aria-pressed", String(node.dataset.language === language));
}
