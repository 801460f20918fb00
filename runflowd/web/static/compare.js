"use strict";
// Before and after of one file: flip, side by side, slider, and the pixels as they are, moved jointly.
// Arrows lead to the neighbours in the list whatever is shown how. Keys are dead where somebody writes.
(() => {
  const KEPT = "runflowd.compare";
  const WRITES = "input, select, textarea, [contenteditable]";
  const PRESSES = "button, a, summary, video, audio";

  const kept = () => { try { return JSON.parse(localStorage.getItem(KEPT)) || {}; } catch { return {}; } };
  const keep = (facts) => { try { localStorage.setItem(KEPT, JSON.stringify({...kept(), ...facts})); } catch { /* without a memory */ } };

  const Compare = (section) => {
    const stage = section.querySelector(".stage");
    const slider = section.querySelector(".slider");
    const images = ["before", "after"].map((side) => section.querySelector(`.${side} .shot`));
    const place = {x: 0.5, y: 0.5};

    const slide = () => section.querySelector(".before").style.setProperty("clip-path", section.dataset.mode === "slide" ? `inset(0 ${100 - slider.value}% 0 0)` : "none");

    const pan = () => {
      for (const image of images) {
        const box = image.parentElement.getBoundingClientRect();
        const width = image.naturalWidth / devicePixelRatio;
        const height = image.naturalHeight / devicePixelRatio;
        const left = (box.width - width) * (width > box.width ? place.x : 0.5);
        const top = (box.height - height) * (height > box.height ? place.y : 0.5);
        image.style.setProperty("width", `${width}px`);
        image.style.setProperty("transform", `translate(${left}px, ${top}px)`);
      }
    };

    const zoomed = () => section.classList.contains("zoomed");

    const zoom = (on) => {
      section.classList.toggle("zoomed", on);
      section.querySelector("[data-zoom]").setAttribute("aria-pressed", on);
      for (const image of images) {
        if (on && image.dataset.original && image.src !== new URL(image.dataset.original, location).href) {
          image.addEventListener("load", () => { if (zoomed()) pan(); }, {once: true});
          image.src = image.dataset.original;
        }
        if (!on) for (const name of ["width", "transform"]) image.style.removeProperty(name);
      }
      if (on) pan();
    };

    const toggle = () => {
      zoom(!zoomed());
      keep({zoom: zoomed()});
    };

    const show = (mode) => {
      section.dataset.mode = mode;
      for (const each of section.querySelectorAll("[data-set-mode]")) each.setAttribute("aria-pressed", each.dataset.setMode === mode);
      slider.hidden = mode !== "slide";
      slide();
      if (zoomed()) pan();
    };

    const peek = (on) => section.classList.toggle("peek", on);

    section.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-set-mode], [data-zoom]");
      if (pressed?.dataset.setMode) {
        show(pressed.dataset.setMode);
        keep({mode: pressed.dataset.setMode});
      } else if (pressed) toggle();
    });
    slider.addEventListener("input", slide);

    let from = null;
    stage.addEventListener("pointerdown", (event) => {
      if (event.target === slider) return;
      from = {x: event.clientX, y: event.clientY};
      stage.setPointerCapture(event.pointerId);
      if (!zoomed()) peek(true);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!from || !zoomed()) return;
      const box = images[1].parentElement.getBoundingClientRect();
      const spare = [images[1].naturalWidth / devicePixelRatio - box.width, images[1].naturalHeight / devicePixelRatio - box.height];
      const moved = (now, before, room, old) => Math.min(1, Math.max(0, old - (room > 0 ? (now - before) / room : 0)));
      place.x = moved(event.clientX, from.x, spare[0], place.x);
      place.y = moved(event.clientY, from.y, spare[1], place.y);
      from = {x: event.clientX, y: event.clientY};
      pan();
    });
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { from = null; peek(false); });
    addEventListener("resize", () => { if (zoomed()) pan(); });

    section.querySelector(".modes").hidden = false;
    show(kept().mode || (innerWidth < 720 ? "flip" : "beside"));
    if (kept().zoom) zoom(true);
    return {peek, toggle};
  };

  addEventListener("DOMContentLoaded", () => {
    const all = [...document.querySelectorAll(".compare")].filter((each) => each.querySelector(".modes")).map(Compare);

    // A result that comes, or takes another's place, is more than a fact to be exchanged below.
    const results = () => document.querySelector(".facts").dataset.results;
    const seen = results();
    document.addEventListener("htmx:afterSwap", () => { if (results() !== seen) location.reload(); });

    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(WRITES)) return;
      if (event.key === " " && !event.target.closest(PRESSES)) {
        event.preventDefault();
        for (const each of all) each.peek(true);
      }
      if (event.key === "z" || event.key === "Z") for (const each of all) each.toggle();
      if (event.target.closest("video, audio")) return;
      if (event.key === "ArrowLeft") document.getElementById("newer")?.click();
      if (event.key === "ArrowRight") document.getElementById("older")?.click();
    });
    document.addEventListener("keyup", (event) => { if (event.key === " ") for (const each of all) each.peek(false); });
    addEventListener("blur", () => { for (const each of all) each.peek(false); });
  });
})();
