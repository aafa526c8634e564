// Added to simcord's page: links to the other channels, what to try, a hint for newcomers, a view that follows the
// newest message until the reader scrolls up, a view that stands still while a select or a form is open, and a notice
// when an action has failed or the demo has ended.
const NEAR = 150; // pixels from the end that still count as the end
const timeline = document.getElementById("channel-timeline");
const list = document.getElementById("channel-message-list");
const composer = document.getElementById("channel-composer");
let following = true;
let asked = null; // the kind of the reader's last action, until a new message appears or the reader scrolls

function choosing() {
  return document.querySelector(".preview-select.is-open, [role=dialog]") !== null;
}

function follow() {
  if (following && !choosing()) timeline.scrollTop = timeline.scrollHeight;
}

function noteScroll(event) {
  if (["wheel", "touchmove"].includes(event.type)) asked = null;
  requestAnimationFrame(() => {
    following = timeline.scrollHeight - timeline.scrollTop - timeline.clientHeight < NEAR;
  });
}

for (const event of ["wheel", "touchmove", "keyup", "pointerup"]) {
  timeline.addEventListener(event, noteScroll, { passive: true });
}

// Scroll to the end after the reader's own actions: switching to another user, and what makes a new message appear.
function show() {
  following = true;
  follow();
}
document.getElementById("viewer-picker").addEventListener("change", show);
const counted = () => list.querySelectorAll("[data-message-id]").length;
let before = counted();
new MutationObserver(() => {
  if (asked && counted() > before) {
    show();
    if (SENT.includes(asked)) hideHint();
    asked = null;
  }
  before = counted();
}).observe(list, { childList: true });
// Follow at once when a message or a picture has made the list longer. simcord also scrolls, after each redraw and each
// loaded picture; repeating our own scroll overrides that.
const sizes = new ResizeObserver(follow);
sizes.observe(list);
sizes.observe(timeline);
setInterval(follow, 250);

// Opening a select redraws every message, whose element stays. It remembers the ratio of its pictures for page.css;
// without their height, the view would jump, and simcord closes a select that leaves the view.
function rememberRatio(event) {
  if (!event.target.matches(".gallery-image")) return;
  const { naturalWidth: width, naturalHeight: height } = event.target;
  event.target.closest("[data-message-id]")?.style.setProperty("--picture-ratio", `${width} / ${height}`);
}
list.addEventListener("load", rememberRatio, { capture: true });
// A layout in the middle of such a redraw finds a shorter list and scrolls up. Scroll back before simcord, which has
// just shown the options again, looks where the select is.
let place = 0;
for (const event of ["click", "keydown"]) {
  list.addEventListener(event, () => { place = timeline.scrollTop; }, { capture: true });
}
const showPopover = HTMLElement.prototype.showPopover;
HTMLElement.prototype.showPopover = function (...options) {
  if (timeline.contains(this)) timeline.scrollTop = place;
  return showPopover.apply(this, options);
};

// simcord's own line says only that the session is unavailable, and page.css hides it on phones. simcord also hides the
// channel, so the notice is outside of it.
const ENDED = "The demo isn't running. Start it again, and open the address that it prints.";
// The secret in the address is new at each start, so a restarted demo refuses this page's.
const RESTARTED = "The demo was restarted. Open the address that it printed.";
const INCOMPLETE = "This address is incomplete. Open the whole address that the demo printed.";
const EXPIRED = "This page was idle for too long. Reload it.";
const MISSED = 3; // polls in a row that may get no answer; a page polls twice a second
let missed = 0;
const notice = document.createElement("p");
notice.id = "demo-notice";
notice.setAttribute("role", "alert");

// simcord's line about the last action is shown only if it is about a failure.
const FAILURE = /not completed|uncertain|interrupted|unavailable/;
const actionStatus = document.getElementById("action-status");
new MutationObserver(() => {
  actionStatus.classList.toggle("is-trouble", FAILURE.test(actionStatus.textContent));
}).observe(actionStatus, { childList: true, characterData: true, subtree: true });

function tell(text) {
  document.getElementById("demo-hint")?.remove();
  notice.textContent = text;
  document.body.append(notice);
}

function noteAnswer(path, status) {
  if (status === 401) tell(location.hash ? RESTARTED : INCOMPLETE);
  if (path !== "/api/state") return;
  if (status === 410) tell(EXPIRED);
  if (status === 200) notice.remove();
  missed = 0;
}

function noteFailure(path, error) {
  if (path !== "/api/state" || error.name === "AbortError") return; // simcord aborts polls when the reader acts
  missed += 1;
  if (missed === MISSED) tell(ENDED);
}

// What a reader does that may be answered with a message; the other actions are those of the page itself.
const SENT = ["run_command", "send_message"];
const ACTIONS = [...SENT, "click", "select", "modal_submit"];

function noteAction(body) {
  const { kind } = JSON.parse(body instanceof FormData ? body.get("payload") : body);
  if (ACTIONS.includes(kind)) asked = kind;
}

// While a select or a form is open, answer simcord's polls with the state that it shows, so that it redraws nothing.
// The state after an action always passes: it may bring the options of the open select.
const request = window.fetch;
let shown = null;
let acted = false;
window.fetch = async (path, options) => {
  let answer = null;
  if (path === "/api/action") noteAction(options.body);
  try {
    answer = await request(path, options);
  } catch (error) {
    noteFailure(path, error);
    throw error;
  }
  noteAnswer(path, answer.status);
  if (path === "/api/action") acted = true;
  if (path !== "/api/state" || !answer.ok) return answer;
  const newest = await answer.text();
  if (shown === null || acted || !choosing()) shown = newest;
  acted = false;
  return new Response(shown);
};

// Each channel has its own port, so the browser remembers for each whether its hint was hidden.
const HIDDEN = "demo-hint-hidden";

function hideHint() {
  localStorage.setItem(HIDDEN, "yes");
  document.getElementById("demo-hint")?.remove();
}

function showHint(text) {
  if (localStorage.getItem(HIDDEN)) return;
  const hint = document.createElement("p");
  hint.id = "demo-hint";
  const words = document.createElement("span");
  words.append(...marked(text));
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", "Hide this hint");
  close.addEventListener("click", hideHint);
  hint.append(words, close);
  composer.before(hint);
}

function link(page) {
  const item = document.createElement("a");
  item.href = page.url;
  item.textContent = page.title;
  if (page.here) item.setAttribute("aria-current", "page");
  const about = document.createElement("small");
  about.textContent = page.about;
  item.append(about);
  return item;
}

// Build the list of things to try, under a heading that folds and unfolds it.
function tourOf(parts) {
  const tour = document.createElement("details");
  tour.id = "demo-tour";
  tour.open = true;
  const heading = document.createElement("summary");
  heading.textContent = "What to try";
  tour.append(heading);
  for (const part of parts) {
    const title = document.createElement("h2");
    title.textContent = part.title;
    const steps = document.createElement("dl");
    for (const step of part.steps) {
      const what = document.createElement("dt");
      what.textContent = step.what;
      const about = document.createElement("dd");
      about.textContent = step.about;
      steps.append(what, about);
    }
    tour.append(title, steps);
  }
  return tour;
}

// Words between backquotes are shown as code.
function marked(text) {
  return text.split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

async function furnish() {
  const capability = location.hash.slice(1);
  const answer = await fetch("/api/commands?channels=1", { headers: { "X-Simcord-Capability": capability } });
  if (!answer.ok) return;
  const { server, pages, tour } = await answer.json();
  const channels = document.createElement("nav");
  channels.id = "demo-channels";
  const heading = document.createElement("h1");
  heading.textContent = server;
  channels.append(heading, ...pages.map(link));
  document.getElementById("messages-sidebar").prepend(channels, tourOf(tour));
  const here = pages.find((page) => page.here);
  document.title = `${here.title} · ${server}`;
  showHint(here.hint);
}

furnish();
