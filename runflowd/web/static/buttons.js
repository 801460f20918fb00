"use strict";
// Sends what is pressed without leaving the screen, so that nothing is lost where no answer comes, or none that helps.
// A daemon that was restarted has other tokens: the screen is fetched anew, and what was pressed is sent once more if the
// new screen offers the very same. Without a script the buttons are forms.
(() => {
  const TIMEOUT = 30000;
  const SILENT = "The daemon does not answer, so it is not known whether it did this. Nothing on this screen is lost: try again once it is running.";
  const CHANGED = "The daemon was restarted, and this screen has changed since. Nothing was done: reload it, look, and try again.";

  const element = (id) => document.getElementById(id);

  // Says a sentence where it was pressed, with a link where one helps.
  const tell = (sentence, address = "") => {
    const to = element("notice-link");
    element("notice-text").textContent = sentence;
    to.hidden = !address;
    to.href = address || "#";
    to.textContent = new URL(address, location.href).pathname === "/login" ? "Log in" : "Reload";
    element("notice").hidden = !sentence;
    if (sentence) element("notice").scrollIntoView({block: "nearest"});
  };

  const post = async (form, changes) => {
    const body = new URLSearchParams({...Object.fromEntries(new FormData(form)), ...changes});
    const settings = {method: "POST", body, headers: {accept: "application/json", "hx-current-url": location.href}, signal: AbortSignal.timeout(TIMEOUT)};
    try {
      const answer = await fetch(form.action, settings);
      return {done: answer.ok, ...await answer.json()};
    } catch { return {done: false, silent: true, said: SILENT, address: ""}; }
  };

  const fetched = async () => {
    try {
      const answer = await fetch(location.href, {headers: {accept: "text/html"}, signal: AbortSignal.timeout(TIMEOUT)});
      return new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch { return null; }
  };

  // What a form does, and to which file: two screens that agree in this offer the same.
  const meaning = (screen, form) => {
    const fields = [...new FormData(form)].filter(([name]) => !["token", "onward", "reason"].includes(name));
    return JSON.stringify([form.getAttribute("action"), fields, screen.querySelector("h1.path")?.textContent]);
  };

  const renewed = (screen, form) => {
    const same = [...screen.forms].find((each) => meaning(screen, each) === meaning(document, form));
    if (!same) return false;
    const token = same.elements.token.value;
    for (const each of document.querySelectorAll('input[name="token"]')) each.value = token;
    return true;
  };

  // What came of a button: `done`, and then the screen that says so; else `said`, why not.
  const send = async (form, changes = {}) => {
    tell("");
    let answer = await post(form, changes);
    if (answer.stale) {
      const screen = await fetched();
      if (!screen) answer = {done: false, said: SILENT, address: ""};
      else if (renewed(screen, form)) answer = await post(form, changes);
      else answer = {done: false, said: CHANGED, address: location.href};
    }
    if (answer.said) tell(answer.said, answer.address);
    return answer;
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || "plain" in form.dataset) return;
    event.preventDefault();
    if (form.dataset.sending) return;
    form.dataset.sending = "yes";
    const answer = await send(form);
    delete form.dataset.sending;
    if (answer.said) return;
    if (answer.done) typed.forget();
    location.assign(answer.address);
  });

  window.buttons = {send};
})();
