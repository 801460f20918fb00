"use strict";
// Verdicts by keys: A accepts, R rejects, U takes the last one back, E goes to the button that runs a file again, ? tells
// of the keys. A verdict shows at once; when it is on record, the next file follows. Where there is something to say of it,
// or it is refused, the answer names the screen that says so. Without a script the same buttons are forms.
(() => {
  const LAST = "runflowd.verdict";
  const WRITES = "input:not([type=range]), select, textarea, [contenteditable]";
  const WORDS = {accept: ["Accepted", "good"], reject: ["Rejected", "bad"], undo: ["To review", "warn"]};
  const KEYS = {a: "accept", r: "reject"};
  const HERE = location.pathname + location.search;
  let sending = false;

  const last = () => { try { return JSON.parse(sessionStorage.getItem(LAST)); } catch { return null; } };
  const remember = (facts) => { try { sessionStorage.setItem(LAST, JSON.stringify(facts)); } catch { /* without a memory */ } };

  // What came of a verdict: whether it was carried out, and the screen to go on with. Nothing where no answer is one.
  const send = async (form, changes = {}) => {
    const body = new URLSearchParams({...Object.fromEntries(new FormData(form)), ...changes});
    try {
      const answer = await fetch(form.action, {method: "POST", body, headers: {accept: "application/json"}});
      const address = new URL((await answer.json()).address, location.href);
      return {done: answer.ok, address, tells: address.searchParams.has("told")};
    } catch { return null; }
  };

  const show = (bar, verdict) => {
    const word = bar.querySelector(".pill");
    [word.textContent] = WORDS[verdict];
    word.className = `pill ${WORDS[verdict][1]}`;
    bar.dataset.judged = verdict === "undo" ? "" : "yes";
  };

  const formOf = (bar, verdict) => bar.querySelector(`form[action="/${verdict}"]`);

  const give = async (bar, verdict) => {
    if (sending) return;
    sending = true;
    show(bar, verdict);
    const form = formOf(bar, verdict);
    const answer = await send(form);
    if (!answer) {
      form.submit();
      return;
    }
    if (answer.done) remember(verdict === "undo" ? null : {item: bar.dataset.item, address: HERE});
    sending = false;
    if (answer.tells) location.assign(answer.address);
    else if (verdict !== "undo") document.getElementById("older")?.click();
  };

  const takeBack = async (bar) => {
    const before = last();
    if (bar.dataset.judged) give(bar, "undo");
    else if (before && !sending) {
      const answer = await send(formOf(bar, "undo"), {item: before.item, back: before.address, onward: before.address});
      if (!answer) return;
      remember(null);
      location.assign(answer.address);
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
