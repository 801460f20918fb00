"use strict";
// Verdicts by keys: A accepts, R rejects, U takes the last one back, E goes to the button that runs a file again, ? tells
// of the keys. A verdict shows at once; when it is on record, the next file follows. Without a script the same buttons are
// forms, and where a verdict is refused the form is sent, so that its answer says why.
(() => {
  const LAST = "runflowd.verdict";
  const WRITES = "input:not([type=range]), select, textarea, [contenteditable]";
  const WORDS = {accept: ["Accepted", "good"], reject: ["Rejected", "bad"], undo: ["To review", "warn"]};
  const KEYS = {a: "accept", r: "reject"};
  let sending = false;

  const last = () => { try { return JSON.parse(sessionStorage.getItem(LAST)); } catch { return null; } };
  const remember = (facts) => { try { sessionStorage.setItem(LAST, JSON.stringify(facts)); } catch { /* without a memory */ } };

  const send = async (verdict, item, token) => {
    const body = new URLSearchParams({item, token, back: "/"});
    // The answer to what was carried out leads elsewhere; it is not followed.
    try { return (await fetch(`/${verdict}`, {method: "POST", body, redirect: "manual"})).type === "opaqueredirect"; } catch { return false; }
  };

  const show = (bar, verdict) => {
    const word = bar.querySelector(".pill");
    [word.textContent] = WORDS[verdict];
    word.className = `pill ${WORDS[verdict][1]}`;
    bar.dataset.judged = verdict === "undo" ? "" : "yes";
  };

  const give = async (bar, verdict) => {
    if (sending) return;
    sending = true;
    show(bar, verdict);
    if (!await send(verdict, bar.dataset.item, bar.dataset.token)) {
      bar.querySelector(`form[action="/${verdict}"]`).submit();
      return;
    }
    remember(verdict === "undo" ? null : {item: bar.dataset.item, address: location.href});
    sending = false;
    if (verdict !== "undo") document.getElementById("older")?.click();
  };

  const takeBack = async (bar) => {
    const before = last();
    if (bar.dataset.judged) give(bar, "undo");
    else if (before && !sending && await send("undo", before.item, bar.dataset.token)) {
      remember(null);
      location.assign(before.address);
    }
  };

  addEventListener("DOMContentLoaded", () => {
    const bar = document.getElementById("verdict");
    const help = document.getElementById("keys");

    bar?.addEventListener("submit", (event) => {
      event.preventDefault();
      give(bar, new URL(event.target.action).pathname.slice(1));
    });

    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.target.closest(WRITES)) return;
      const key = event.key.toLowerCase();
      if (key === "?") help.open ? help.close() : help.showModal();
      if (help.open) return;
      if (key === "e") document.querySelector('form[action="/rerun"] button')?.focus();
      if (!bar?.dataset.token) return;
      if (KEYS[key]) give(bar, KEYS[key]);
      if (key === "u") takeBack(bar);
    });
  });
})();
