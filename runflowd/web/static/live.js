"use strict";
// Keeps what is shown true: the screen is fetched anew, in place, when the daemon hints at a change, and every four
// seconds all the same. While nobody looks, nothing is asked. Once nothing was heard for eight seconds, whatever becomes
// of what is asked, the screen is called old: ten seconds are promised, and a busy machine is late.
(() => {
  const EVERY = 4000;
  const SILENCE = 8000;
  let source = null;
  let asked = Date.now();
  let heard = Date.now();
  let looked = Date.now();
  let lost = "";
  let title = "";

  const element = (id) => document.getElementById(id);
  const beat = (text) => { element("beat").textContent = text; };

  htmx.createEventSource = (url) => {
    source = new EventSource(url);
    if (document.hidden) source.close();
    return source;
  };

  const refresh = () => {
    asked = Date.now();
    htmx.trigger(element("frame"), "refresh");
  };

  const alive = () => {
    heard = Date.now();
    if (lost) document.title = title;
    lost = "";
    element("dead").hidden = true;
    element("frame").classList.remove("stale");
    beat("live");
  };

  const dead = () => {
    if (!lost) title = document.title;
    lost ||= new Date().toLocaleTimeString();
    document.title = "runflowd: no answer";
    element("dead").hidden = false;
    element("since").textContent = lost;
    element("frame").classList.add("stale");
    beat(`no answer since ${lost}`);
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      return;
    }
    // The extension connects anew when it is told that a closed stream has ended.
    if (source?.readyState === EventSource.CLOSED) source.onerror(new Event("error"));
    heard = Date.now();
    refresh();
  });

  addEventListener("pagehide", () => source?.close());

  setInterval(() => {
    const now = Date.now();
    if (now - looked >= SILENCE) heard = now; // this machine has slept, and hears nothing of those hours
    looked = now;
    if (document.hidden) return;
    if (!lost && now - heard >= SILENCE) dead();
    if (now - asked >= EVERY) refresh();
  }, 250);

  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, dead);
  document.addEventListener("htmx:sseMessage", () => { asked = heard = Date.now(); });
  document.addEventListener("htmx:sseError", () => { if (!document.hidden) refresh(); });
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) alive(); });
  addEventListener("load", () => beat("live"));
})();
