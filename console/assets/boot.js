// Before the first paint: theme and language as the address says. It must never read anything but the address.
(() => {
  const given = new URLSearchParams(location.search);
  const theme = given.get("theme"), lang = given.get("lang");
  const root = document.documentElement;
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  root.lang = lang === "zh" || (!lang && navigator.language.startsWith("zh")) ? "zh" : "en";
})();
