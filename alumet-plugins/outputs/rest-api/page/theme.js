// Applies the chosen appearance before the first paint; without a choice it is that of the system.
{
  const chosen = localStorage.getItem("alumet-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
