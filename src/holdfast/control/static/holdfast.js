// Refreshes the page when the server says that something changed, and asks before orders in a
// dialog. Without it every page works; it only has to be loaded again by hand.
(() => {
  "use strict";
  let seen = document.body.dataset.seen;
  let stream = null;
  let timer = null;

  const say = (text) => {
    const place = document.getElementById("live-state");
    if (place) place.textContent = text;
  };

  const refresh = () => {
    clearTimeout(timer);
    // Many changes come in bursts: a release moves, its route changes, servers confirm.
    timer = setTimeout(() => document.body.dispatchEvent(new Event("holdfast-changed")), 150);
  };

  const open = () => {
    if (!seen || stream || document.hidden) return;
    stream = new EventSource("/events?since=" + encodeURIComponent(seen));
    stream.addEventListener("open", () => say("live"));
    stream.addEventListener("changed", (event) => { seen = event.data; refresh(); });
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(open, 3000); }
      say("reconnecting");
    });
  };

  const close = () => {
    if (stream) stream.close();
    stream = null;
  };

  // Browsers allow six connections to a site: pages that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && dialog.showModal) { event.preventDefault(); dialog.showModal(); }
      return;
    }
    const closer = event.target.closest("[data-close]");
    const dialog = closer && closer.closest("dialog");
    if (dialog) { event.preventDefault(); dialog.close(); }
  });

  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[data-busy]");
    if (button) { button.disabled = true; button.textContent = button.dataset.busy; }
  });
})();
