"use strict";
// Keeps what somebody typed and did not send yet, in this tab alone: over a reload, and over the way through the login
// when their session has ended meanwhile. It is there again at the same address, for the same person; elsewhere, once it
// is sent, and when they log out, it is forgotten.
(() => {
  const KEPT = "runflowd.typed";
  const TYPED = "textarea, select, input[type=text], input[type=search], input[type=date], input:not([type])";

  const user = () => document.querySelector(".user")?.textContent ?? "";

  const place = () => {
    const at = new URL(location);
    const saidOnce = document.getElementById("live").dataset.saying.split(" ");
    for (const [name, value] of [...at.searchParams]) if (!value || saidOnce.includes(name)) at.searchParams.delete(name);
    return `${at.pathname}?${at.searchParams}`;
  };

  const forget = () => { try { sessionStorage.removeItem(KEPT); } catch { /* without a memory */ } };

  const texts = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT));
      return kept?.user === user() && kept.place === place() ? kept.texts : {};
    } catch { return {}; }
  };

  const keep = (field) => {
    const kept = {user: user(), place: place(), texts: {...texts(), [nameOf(field)]: field.value}};
    try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* without a memory */ }
  };

  // A field is known again by what its form does, to which file, and its own name.
  const nameOf = (field) => `${field.form.getAttribute("action")} ${field.form.elements.item?.value ?? ""} ${field.name}`;

  const isTyped = (field) => field.form && field.name && field.matches(TYPED);

  addEventListener("DOMContentLoaded", () => {
    const found = texts();
    if (!Object.keys(found).length) forget();
    for (const field of [...document.forms].flatMap((form) => [...form.elements]).filter(isTyped)) {
      const text = found[nameOf(field)];
      if (text === undefined || text === field.value) continue;
      field.value = text;
      field.dispatchEvent(new Event("change", {bubbles: true}));
    }
  });

  document.addEventListener("input", (event) => { if (isTyped(event.target)) keep(event.target); });
  document.addEventListener("submit", (event) => { if (event.target.getAttribute("action") === "/logout") forget(); });
  document.addEventListener("htmx:pushedIntoHistory", forget);

  window.typed = {forget};
})();
