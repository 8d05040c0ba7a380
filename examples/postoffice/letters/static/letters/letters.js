// Four things: a page that keeps itself up to date, buttons that do not leave it, stop-watches, and the demo's clock.
// Without this script the forms work all the same, and a page on which something is under way reloads itself.
"use strict";

const BUSY_INTERVAL = 300; // milliseconds between two looks while something is under way
const IDLE_INTERVAL = 3000; // and while nothing happens here; another window may send letters too

// --- The page keeps itself up to date: it asks for itself and takes over what has changed. ---

let nextLook = null;
let looking = false;
let lookAgain = false;

function lookIn(milliseconds) {
  clearTimeout(nextLook);
  nextLook = setTimeout(look, milliseconds);
}

async function look() {
  clearTimeout(nextLook);
  if (document.hidden) return; // it looks when it comes to light
  if (looking) {
    lookAgain = true; // the answer under way may be older than what this call is about
    return;
  }
  looking = true;
  const notice = document.getElementById("connection");
  try {
    const response = await fetch(location.pathname + "?live", { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(response.statusText);
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    showLocalTimes(fresh);
    setClock(fresh);
    showCountdowns(fresh);
    for (const element of document.querySelectorAll("[data-live]")) {
      const newer = fresh.getElementById(element.id);
      if (newer && !element.parentElement?.closest("[data-live]")) update(element, newer);
    }
    document.body.toggleAttribute("data-busy", fresh.body.hasAttribute("data-busy"));
    notice.textContent = "";
  } catch {
    notice.textContent = notice.dataset.lost;
  } finally {
    looking = false;
    const busy = document.body.hasAttribute("data-busy") || runningRequests > 0;
    lookIn(lookAgain ? 0 : busy ? BUSY_INTERVAL : IDLE_INTERVAL);
    lookAgain = false;
  }
}

// Makes `element` what `newer` is. Elements that have not changed are left alone, so that focus and selection stay.
function update(element, newer) {
  if (element.dataset.live === "children" && newer.dataset.live === "children") {
    updateChildren(element, newer);
  } else if (element.outerHTML !== newer.outerHTML) {
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    element.replaceWith(document.importNode(newer, true));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

// Children are told apart by their ids.
function updateChildren(list, newerList) {
  for (const child of [...list.children]) {
    if (![...newerList.children].some((newer) => newer.id === child.id)) child.remove();
  }
  [...newerList.children].forEach((newer, position) => {
    const child = document.getElementById(newer.id);
    if (child) {
      update(child, newer);
    } else {
      list.insertBefore(document.importNode(newer, true), list.children[position] ?? null);
    }
  });
}

// The server writes times in UTC; a reader wants them by their own clock.
function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString(document.documentElement.lang);
  }
}

document.addEventListener("visibilitychange", () => document.hidden || look());

// --- Buttons that do not leave the page: what they have done is seen at the next look. ---

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-stay]")) return;
  event.preventDefault();
  if (event.submitter?.getAttribute("aria-disabled") === "true" || form.hasAttribute("data-sending")) return;
  form.setAttribute("data-sending", "");
  try {
    const action = event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : form.action;
    // The answer leads to a page that is not needed; `look` asks for this one.
    await fetch(action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  } catch {
    // `look` finds out, too, that the site does not answer, and says so.
  } finally {
    form.removeAttribute("data-sending");
    look();
  }
});

// --- The stop-watches. ---

let runningRequests = 0;

const language = document.documentElement.lang;
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const hundredths = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

function inWords(milliseconds) {
  const { seconds: inSeconds, milliseconds: inMilliseconds } = document.body.dataset;
  return milliseconds < 1000
    ? inMilliseconds.replace("{number}", whole.format(milliseconds))
    : inSeconds.replace("{number}", hundredths.format(milliseconds / 1000));
}

async function send(form) {
  const button = form.querySelector("button");
  const time = form.querySelector(".time");
  const verdict = form.querySelector("[data-verdict]");
  const started = performance.now();
  let frame = requestAnimationFrame(function tick() {
    time.textContent = inWords(performance.now() - started);
    frame = requestAnimationFrame(tick);
  });
  button.setAttribute("aria-disabled", "true");
  form.classList.add("running");
  form.classList.remove("over", "wrong");
  verdict.textContent = "";
  runningRequests += 1;
  lookIn(BUSY_INTERVAL);
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    const took = inWords(performance.now() - started);
    const answer = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
    verdict.textContent = response.ok
      ? verdict.dataset.took.replace("{time}", took)
      : verdict.dataset.failed.replace("{error}", answer.error ?? `${response.status} ${response.statusText}`);
    form.classList.toggle("wrong", !response.ok);
    cancelAnimationFrame(frame);
    time.textContent = took;
  } catch {
    verdict.textContent = verdict.dataset.lost;
    form.classList.add("wrong");
  } finally {
    cancelAnimationFrame(frame);
    runningRequests -= 1;
    button.removeAttribute("aria-disabled");
    form.classList.remove("running");
    form.classList.add("over");
    look();
  }
}

for (const form of document.querySelectorAll("form[data-way]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Not `disabled`: that would take the keyboard's focus away.
    if (form.querySelector("button").getAttribute("aria-disabled") !== "true") send(form);
  });
}

// --- The demo's clock, on which a day is short, and what it is until something runs. ---

const clock = document.getElementById("clock");
let serverAhead = 0; // milliseconds by which the server's clock is ahead of this one

function setClock(root) {
  const server = root.getElementById("clock");
  if (server) serverAhead = Number(server.dataset.now) - Date.now();
}

function showClock() {
  const { began, showed, daySeconds } = clock.dataset;
  const elapsed = Date.now() + serverAhead - Number(began);
  const time = new Date(Number(showed) + (elapsed * 86400) / Number(daySeconds));
  const date = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  clock.querySelector("[data-hour]").textContent = time.toISOString().slice(11, 16);
  clock.querySelector("[data-date]").textContent = time.toLocaleDateString(clock.dataset.language, date);
  clock.querySelector("[data-needle]").style.left = `${(time.getTime() % 86400000) / 864000}%`;
}

// As the server does it.
function until(seconds) {
  const { over, inSeconds, inMinutes, inHours } = clock.dataset;
  if (seconds <= 0) return over;
  if (seconds < 120) return inSeconds.replace("{number}", seconds);
  if (seconds < 7200) return inMinutes.replace("{number}", Math.floor(seconds / 60));
  return inHours.replace("{number}", Math.floor(seconds / 3600));
}

function showCountdowns(root) {
  for (const countdown of root.querySelectorAll("[data-due]")) {
    const words = until(Math.ceil((Number(countdown.dataset.due) - Date.now() - serverAhead) / 1000));
    if (countdown.textContent !== words) countdown.textContent = words;
  }
}

if (clock) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setClock(document);
  setInterval(() => (showClock(), showCountdowns(document)), calm ? 1000 : 100);
}

showLocalTimes(document);
lookIn(document.body.hasAttribute("data-busy") ? BUSY_INTERVAL : IDLE_INTERVAL);
