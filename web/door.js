// Logging in and signing up.

import { Parley } from "./sdk/parley.js";
import { byId } from "./ui/dom.js";
import { explain } from "./ui/problems.js";
import { knownDevice, rememberDevice } from "./model/session.js";

// What the device is called in the list of devices: the browser and the system, in words.
function deviceName() {
  const agent = navigator.userAgent;
  const browser = ["Firefox", "Edg", "OPR", "Chrome", "Safari"].find((name) => agent.includes(`${name}/`));
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) => agent.includes(name));
  const names = { Edg: "Edge", OPR: "Opera" };
  return `${names[browser] ?? browser ?? "Browser"} on ${system ?? "a computer"}`;
}

// The device that this browser had is used again, so that its inbox is kept.
async function logIn({ username, password }) {
  const device = { id: knownDevice(username), name: deviceName() };
  const { parley, session } = await Parley.login({ username, password, device });
  parley.close(); // the room makes its own
  rememberDevice(username, session.device.id);
  return session;
}

export class Door {
  #entered; #working = false;

  constructor(entered) {
    this.#entered = entered;
    byId("door-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(event.target, event.submitter?.value === "sign-up");
    });
  }

  show(reason = "") {
    byId("door").hidden = false;
    byId("door-problem").textContent = reason;
    byId("door-form").elements.username.focus();
  }

  hide() {
    byId("door").hidden = true;
    byId("door-form").reset();
    byId("door-problem").textContent = "";
  }

  async #submit(form, signUp) {
    if (this.#working) return;
    this.#working = true;
    byId("door-problem").textContent = "";
    const { username, password } = form.elements;
    const credentials = { username: username.value.trim().toLowerCase(), password: password.value };
    try {
      if (signUp) await Parley.register(credentials);
      this.#entered(await logIn(credentials));
    } catch (error) {
      byId("door-problem").textContent = error.code === "unauthorized" ? "The username or the password is wrong." : explain(error);
    } finally {
      this.#working = false;
    }
  }
}
