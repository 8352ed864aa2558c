// Keeps what happens in a sign-in dialog, and posts it when the dialog ends. What was not confirmed
// is sent again at the next visit; the id makes it count once, however often it arrives.
"use strict";
const interactions = (() => {
  const collector = document.currentScript.dataset.collector;
  const KEY = "interaction.";
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const blob = {
    _id: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    timestamp: Math.floor(Date.now() / 600000) * 600000, // to ten minutes: nobody is recognised by it
    event_stream: [],
    lang: navigator.language.split("-")[0],
    screen_size: { width: screen.width, height: screen.height },
    user_agent: { browser: (navigator.userAgent.match(/Firefox|Chrome|Safari/) || [])[0] },
  };
  const keep = () => localStorage.setItem(KEY + blob._id, JSON.stringify(blob));
  let changed = false;

  async function resend(key) {
    const answer = await fetch(collector, {
      method: "POST",
      headers: { "Content-Type": "text/plain" }, // needs no preflight
      body: localStorage.getItem(key),
    });
    // It is stored, or will never be taken. Anything else (429, 503) waits for the next visit.
    if ([201, 400, 413].includes(answer.status)) localStorage.removeItem(key);
  }

  for (const key of Object.keys(localStorage).filter((key) => key.startsWith(KEY))) {
    resend(key).catch(() => {}); // no connection: at the next visit
  }
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden" || !changed) return;
    changed = false;
    navigator.sendBeacon(collector, JSON.stringify(blob));
  });
  return {
    record: (name) => {
      blob.event_stream.push([name, Math.round(performance.now())]);
      changed = true;
      keep();
    },
    describe: (fields) => Object.assign(blob, fields) && keep(),
  };
})();
