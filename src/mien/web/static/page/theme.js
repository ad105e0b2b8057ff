// Before the first paint: the theme that was chosen, if one was; otherwise the system's.
const chosen = localStorage.getItem("mien.theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
