// Digests a file in the browser, a piece at a time, and compares it. Nothing of it leaves the machine.
import { sha256 } from "../vendor/hashes/sha2.js";
import { bytesToHex } from "../vendor/hashes/utils.js";

const drop = document.getElementById("drop");
const field = document.getElementById("file");
const reading = document.getElementById("reading");
const PIECE = 4 * 1024 * 1024;
let turn = 0;

function show(name) {
  for (const id of ["same", "other", "failed"])
    document.getElementById(id).hidden = id !== name;
}

async function digest(file, mine) {
  const hash = sha256.create();
  for (let at = 0; at < file.size; at += PIECE) {
    if (mine !== turn) return null;
    hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    reading.value = at / file.size;
  }
  return bytesToHex(hash.digest());
}

async function compare(file) {
  const mine = ++turn;
  show("");
  reading.hidden = false;
  let found;
  try {
    found = await digest(file, mine);
  } catch {
    if (mine === turn) show("failed");
    return;
  } finally {
    if (mine === turn) reading.hidden = true;
  }
  if (found === null) return;
  if (!drop.dataset.digest) {
    location.assign(drop.dataset.page + found);
    return;
  }
  document.querySelector("#other .found").textContent = found;
  show(found === drop.dataset.digest ? "same" : "other");
}

field.addEventListener("change", () => field.files[0] && compare(field.files[0]));
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) compare(file);
});
