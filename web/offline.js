// Registers the service worker, which keeps the page's own files, and tells when a newer page is at hand.

import { byId } from "./ui/dom.js";

export async function keepOffline() {
  const worker = navigator.serviceWorker; // there is none on plain http, save on this machine
  if (!worker) return;
  worker.addEventListener("message", ({ data }) => {
    if (data.newer) byId("newer-page").hidden = false;
  });
  byId("newer-page-load").addEventListener("click", () => location.reload());
  try {
    await worker.register("sw.js", { type: "classic", updateViaCache: "none" });
  } catch {
    // Private windows may refuse: the page works, only not without a network.
  }
}
