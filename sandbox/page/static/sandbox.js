// Looks again by itself, and sends forms without loading the page. Without this file all of it works by links and forms.
"use strict";

const AGAIN_MS = 400;
const GONE = "The sandbox has ended. Start it with make run, and load this page again.";
const alarm = document.getElementById("alarm");
const live = document.getElementById("live");
const chosen = new Set(); // what somebody has opened or closed by hand stays so
let tag = "";

// Puts what is new in place of what was: part by part, and in a list item by item, so that nothing else is read aloud,
// loses the focus or is closed.
function settle(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const id of chosen) {
    const twin = fresh.getElementById(id);
    if (twin) twin.open = document.getElementById(id).open;
  }
  const focused = document.activeElement?.id;
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = document.getElementById(part.id);
    if (!old.isEqualNode(part)) old.matches("ol, ul") ? exchange(old, [...part.children]) : old.replaceWith(part);
  }
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
}

function exchange(list, items) {
  const wanted = new Set(items.map((item) => item.id));
  for (const child of [...list.children]) if (!wanted.has(child.id)) child.remove();
  items.forEach((item, place) => {
    const known = document.getElementById(item.id);
    if (known?.isEqualNode(item)) item = known;
    else known?.remove();
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
  });
}

async function look() {
  try {
    const answer = await fetch(live.dataset.live, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      settle(await answer.text());
    }
    if (alarm.textContent === GONE) warn("");
  } catch {
    warn(GONE);
  }
}

async function keepLooking() {
  if (!document.hidden) await look();
  setTimeout(keepLooking, AGAIN_MS);
}

async function send(form, button) {
  const large = [...form.querySelectorAll("[data-most]")].find((field) => field.files[0]?.size > field.dataset.most);
  if (large) return warn(`A file here may have ${Math.floor(large.dataset.most / 1024 / 1024)} MB at most.`);
  const said = new FormData(form);
  if (button?.name) said.append(button.name, button.value);
  const kept = [...form.querySelectorAll("input:not([type=hidden]), textarea")];
  kept.forEach((field) => (field.value = ""));
  const answer = await fetch(form.action, { method: "POST", body: said, headers: { "X-Live": "yes" } });
  const text = await answer.text();
  if (answer.ok) settle(text);
  document.querySelectorAll("[role=log]").forEach((log) => (log.scrollTop = 0)); // its end: it grows upwards
  warn(answer.ok ? "" : new DOMParser().parseFromString(text, "text/html").getElementById("says")?.textContent);
}

function warn(words) {
  alarm.textContent = words ?? "That did not go.";
  alarm.hidden = !alarm.textContent;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-quiet]")) return;
  event.preventDefault();
  send(event.target, event.submitter).catch(() => warn());
});

document.addEventListener("click", (event) => {
  const id = event.target.closest("summary")?.parentElement.id;
  if (id) chosen.add(id);
});

// In the field of several lines Enter sends, as in every chat; with Shift it is a new line.
document.getElementById("answer").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

keepLooking();
