// Keeps every file of the page in the browser, so that it opens and reads pictures offline.
// `mien page` writes the two lines below: a new page has another version.
const VERSION = "";
const FILES = [];

const PREFIX = `mien ${registration.scope} `; // other pages of this host keep their own
const NAME = PREFIX + VERSION;

addEventListener("install", (event) => {
  skipWaiting(); // what is open has its files already
  const fresh = FILES.map((file) => new Request(file, { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(fresh)));
});

addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith(PREFIX) && name !== NAME);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))),
  );
});

addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  const kept = caches
    .open(NAME)
    .then((cache) => cache.match(event.request, { ignoreSearch: true, ignoreVary: true }));
  event.respondWith(kept.then((answer) => answer ?? fetch(event.request)));
});
