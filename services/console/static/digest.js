// The digest of a file chosen here, filled into its field: the file itself stays on this computer.
const label = document.querySelector("[data-digest]");
const field = document.querySelector("[name='sha256']");
if (label && field && globalThis.crypto?.subtle) {
  label.hidden = false;
  label.querySelector("input").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    field.value = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  });
}
