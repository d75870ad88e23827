// A real OpenID Connect provider (npm's oidc-provider) for the browser tests.
// node oidc_provider.mjs PORT REDIRECT_URI, with SLIPWAY_NPM naming the folder it is installed in.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, redirectUri] = process.argv.slice(2);
const require = createRequire(`${process.env.SLIPWAY_NPM}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const provider = new Provider(`http://localhost:${port}`, {
  clients: [
    {
      client_id: "slipway",
      client_secret: "acme-secret",
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  cookies: { keys: ["of no importance here"] },
  // Whoever types a login is that person: "unverified" has an address that nobody has checked.
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.org`,
      email_verified: id !== "unverified",
      name: `${id} of Acme`,
    }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
