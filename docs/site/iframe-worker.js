// The search of the site runs in a worker, which browsers refuse to a page that is opened from a folder. There, a frame
// of the page's own does its work.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = Object.assign(document.createElement("iframe"), { hidden: true, title: "search" });
      document.documentElement.append(frame);
      this.inside = frame.contentWindow;
      // Never at once: who asks a worker listens only after that.
      this.inside.postMessage = (data) => setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })));
      const script = Object.assign(frame.contentDocument.createElement("script"), { src: address });
      this.ready = new Promise((loaded) => script.addEventListener("load", loaded));
      frame.contentDocument.body.append(script);
    }
    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
