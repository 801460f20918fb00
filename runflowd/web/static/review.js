"use strict";
// Verdicts by keys: A accepts, R rejects, U takes the last one back, E leads to where a file is made another way, ? tells
// of the keys. A verdict shows at once; when it is on record, the next file follows. Where there is something to say of it,
// or it comes to nothing, the answer names the screen that says so, or it is said here and what was shown before is again.
// Without a script the same buttons are forms.
(() => {
  const LAST = "runflowd.verdict";
  const WRITES = "input:not([type=range]), select, textarea, [contenteditable]";
  const WORDS = {accept: ["Accepted", "good"], reject: ["Rejected", "bad"], undo: ["To review", "warn"]};
  const KEYS = {a: "accept", r: "reject"};
  const HERE = location.pathname + location.search;
  let sending = false;

  const last = () => { try { return JSON.parse(sessionStorage.getItem(LAST)); } catch { return null; } };
  const remember = (facts) => { try { sessionStorage.setItem(LAST, JSON.stringify(facts)); } catch { /* without a memory */ } };

  const show = (bar, verdict) => {
    const word = bar.querySelector(".pill");
    [word.textContent] = WORDS[verdict];
    word.className = `pill ${WORDS[verdict][1]}`;
    bar.dataset.judged = verdict === "undo" ? "" : "yes";
  };

  // What puts the verdict back that is shown now.
  const shown = (bar) => {
    const {textContent, className} = bar.querySelector(".pill");
    const {judged} = bar.dataset;
    return () => {
      Object.assign(bar.querySelector(".pill"), {textContent, className});
      bar.dataset.judged = judged;
    };
  };

  const tells = (answer) => new URL(answer.address, location.href).searchParams.has("message");

  const formOf = (bar, verdict) => bar.querySelector(`form[action="/${verdict}"]`);

  const give = async (bar, verdict) => {
    if (sending) return;
    sending = true;
    const before = shown(bar);
    show(bar, verdict);
    const answer = await buttons.send(formOf(bar, verdict));
    sending = false;
    if (answer.said) {
      before();
      return;
    }
    if (answer.done) remember(verdict === "undo" ? null : {item: bar.dataset.item, address: HERE});
    if (tells(answer)) location.assign(answer.address);
    else if (verdict !== "undo") document.getElementById("older")?.click();
  };

  const takeBack = async (bar) => {
    const before = last();
    if (bar.dataset.judged) give(bar, "undo");
    else if (before && !sending) {
      const changes = {item: before.item, back: before.address, onward: before.address};
      const answer = await buttons.send(formOf(bar, "undo"), changes);
      if (answer.said) return;
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
      if (key === "e") document.getElementById("redo")?.click();
      if (key === "w" && document.getElementById("reason")) {
        event.preventDefault();
        document.getElementById("reason").focus();
      }
      if (!bar?.dataset.token) return;
      if (KEYS[key]) give(bar, KEYS[key]);
      if (key === "u") takeBack(bar);
    });
  });
})();
