// What a page needs beyond htmx: counting the selection, copying, opening the facets on wide screens.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS a browser has no clipboard of that kind.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1200);
});

function count() {
  const picked = document.getElementById("picked");
  if (!picked) return;
  picked.textContent = String(document.querySelectorAll("input[name=exhibit]:checked").length);
}
document.addEventListener("change", (event) => {
  if (event.target.name === "exhibit") count();
});

function ready() {
  count();
  // On a phone the menu scrolls: show where one is.
  const here = document.querySelector(".menu [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - 24;
  if (matchMedia("(min-width: 62rem)").matches)
    for (const facets of document.querySelectorAll("details.facets")) facets.open = true;
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
else ready();
