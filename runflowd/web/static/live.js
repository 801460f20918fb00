"use strict";
// Keeps what is shown true: the screen is fetched anew, in place, when the daemon hints at a change, and every five
// seconds all the same. While nobody looks, nothing is asked.
(() => {
  const EVERY = 5000;
  let source = null;
  let asked = Date.now();
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
    refresh();
  });

  addEventListener("pagehide", () => source?.close());

  setInterval(() => { if (!document.hidden && Date.now() - asked >= EVERY) refresh(); }, 500);

  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, dead);
  document.addEventListener("htmx:sseMessage", () => { asked = Date.now(); });
  document.addEventListener("htmx:sseError", () => { if (!document.hidden) refresh(); });
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) alive(); });
  addEventListener("load", () => beat("live"));
})();
