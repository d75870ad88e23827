// Lets Node.js programs out through the sandbox's proxy without a change to them.
//
// Node.js before 22.21 ignores HTTP_PROXY. This is loaded in front of a program (NODE_OPTIONS)
// and gives fetch, http and https connections a way through the proxy. It costs a start about
// five milliseconds, and nothing where Node.js knows proxies itself.
"use strict";

const [major, minor] = process.versions.node.split(".").map(Number);
const proxy = process.env.HTTPS_PROXY || process.env.https_proxy;
const knowsProxies = major >= 24 || (major === 22 && minor >= 21);

if (proxy && !knowsProxies) {
  const http = require("node:http");
  const https = require("node:https");

  const local = (host) => host === "localhost" || host === "::1" || host.startsWith("127.");

  // A tunnel to host:port, handed to done(error, socket).
  const tunnel = (host, port, done) => {
    const far = new URL(proxy);
    const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    const headers = { host: `${name}:${port}` };
    if (far.username) {
      const pair = `${decodeURIComponent(far.username)}:${decodeURIComponent(far.password)}`;
      headers["proxy-authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
    }
    const request = http.request({
      host: far.hostname,
      port: far.port,
      method: "CONNECT",
      path: `${name}:${port}`,
      headers,
      agent: false,
    });
    request.once("error", done);
    request.once("connect", (answer, socket, head) => {
      if (answer.statusCode === 200) {
        done(null, socket);
      } else {
        const parts = [head];
        socket.on("data", (part) => parts.push(part));
        socket.once("error", () => {});
        socket.once("close", () => done(new Error(Buffer.concat(parts).toString().trim())));
      }
    });
    request.end();
  };

  const secured = (socket, options, done) => {
    const tls = require("node:tls");
    const near = tls.connect({ ...options, socket });
    near.once("error", done);
    near.once("secureConnect", () => {
      near.removeListener("error", done);
      done(null, near);
    });
  };

  class HttpAgent extends http.Agent {
    createConnection(options, done) {
      const host = options.host || "localhost";
      if (options.socketPath || local(host)) return super.createConnection(options, done);
      tunnel(host, options.port || 80, done);
    }
  }

  class HttpsAgent extends https.Agent {
    createConnection(options, done) {
      const host = options.host || "localhost";
      if (options.socketPath || local(host)) return super.createConnection(options, done);
      tunnel(host, options.port || 443, (error, socket) => {
        if (error) done(error);
        else secured(socket, { ...options, servername: options.servername || host }, done);
      });
    }
  }

  http.globalAgent = new HttpAgent({ keepAlive: true, timeout: 5000 });
  https.globalAgent = new HttpsAgent({ keepAlive: true, timeout: 5000 });

  // fetch keeps its connections in a dispatcher of its own, which exists from its first use on.
  const dispatcher = Symbol.for("undici.globalDispatcher.1");
  const plainFetch = globalThis.fetch;
  let prepared = false;
  const prepare = () => {
    prepared = true;
    new Request("http://localhost/"); // makes Node.js load its fetch
    const Agent = globalThis[dispatcher]?.constructor;
    if (!Agent) return;
    const net = require("node:net");
    globalThis[dispatcher] = new Agent({
      connect(options, done) {
        const host = options.hostname;
        const secure = options.protocol === "https:";
        const port = options.port || (secure ? 443 : 80);
        const name = options.servername || host.replace(/^\[|\]$/g, "");
        const finish = (error, socket) => {
          if (error) done(error, null);
          else if (!secure) done(null, socket);
          else secured(socket, { servername: name, ALPNProtocols: ["http/1.1"] }, done);
        };
        if (!local(host.replace(/^\[|\]$/g, ""))) return tunnel(host, port, finish);
        const socket = net.connect({ host: host.replace(/^\[|\]$/g, ""), port });
        socket.once("error", finish);
        socket.once("connect", () => {
          socket.removeListener("error", finish);
          finish(null, socket);
        });
      },
    });
  };
  globalThis.fetch = function fetch(...input) {
    if (!prepared) prepare();
    return plainFetch(...input);
  };
}
