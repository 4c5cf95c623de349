/** What an extraction writes below `apps/<domain>/`, by path. Folding compares with it, so that nothing that people added is lost. */
export function appFiles({ domain, exported, contracts }: Extracted, port: number): Record<string, string> {
  const name = serviceName(domain)
  const others = Object.keys(contracts).filter((other) => other !== domain)
  const imports = Object.entries(contracts).map(
    ([other, contract]) => `import { ${contract} } from '@offshoot/${other}/contract'`,
  )
  const main = [
    `import { runService } from '@offshoot/host/service'`,
    `import { ${exported} } from '@offshoot/${domain}'`,
    ...imports,
  ].sort((a, b) => (a.split("'")[1]! < b.split("'")[1]! ? -1 : 1))
  const list = Object.values(contracts)
  return {
    'package.json': `${JSON.stringify(
      {
        name,
        private: true,
        version: '0.0.0',
        type: 'module',
        description: `The domain ${domain}, in a process of its own.`,
        dependencies: Object.fromEntries(
          ['host', domain, ...others].sort().map((one) => [`@offshoot/${one}`, 'workspace:*']),
        ),
        devDependencies: { '@types/node': 'catalog:' },
      },
      null,
      2,
    )}\n`,
    'tsconfig.json': '{ "extends": "../../tsconfig.json", "include": ["**/*.ts"] }\n',
    'src/main.ts': `${main.join('\n')}

await runService('${domain}', [${exported}]${list.length > 0 ? `, [${list.join(', ')}]` : ''})
`,
    Dockerfile: dockerfile(domain, name, port),
    'README.md': readme(domain, port),
  }
}

export interface Extracted {
  domain: string
  /** The name under which the domain exports itself. */
  exported: string
  /** The product's contracts by domain, where this domain must know every action that there is; otherwise none. */
  contracts: Record<string, string>
}

export const serviceName = (domain: string) => `@offshoot/${domain}-service`

const dockerfile = (
  domain: string,
  name: string,
  port: number,
) => `# ${domain}, alone: the packages that it declares, and nothing else of the workspace.
#   docker build -f apps/${domain}/Dockerfile -t offshoot-${domain} .
FROM node:24-slim AS pruned
WORKDIR /app
ENV TURBO_TELEMETRY_DISABLED=1
COPY . .
RUN npx --yes "turbo@$(sed -n 's/^  turbo: //p' pnpm-workspace.yaml)" prune ${name} --docker

FROM node:24-slim AS build
WORKDIR /app
ENV CI=true TURBO_TELEMETRY_DISABLED=1
COPY --from=pruned /app/out/json/ .
RUN npx --yes "$(node -p 'require("./package.json").packageManager')" install --frozen-lockfile
COPY --from=pruned /app/out/full/ .
COPY --from=pruned /app/tsconfig.json /app/topology.json ./
RUN node_modules/.bin/turbo run generate
RUN rm -rf node_modules */*/node_modules */*/*/node_modules \\
 && npx --yes "$(node -p 'require("./package.json").packageManager')" install --prod --frozen-lockfile

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app .
USER node
EXPOSE ${port}
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \\
  CMD ["node", "-e", "fetch(\`http://127.0.0.1:\${process.env.INTERNAL_PORT || ${port}}/livez\`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=16", "--heap-growing-percent=30", "--import", "./packages/platform/telemetry/src/register.ts", "apps/${domain}/src/main.ts"]
`

const readme = (domain: string, port: number) => `# ${domain}, in a process of its own

Written by \`npm run extract ${domain}\`; \`npm run fold ${domain}\` takes it back. Nothing in \`packages/domains/${domain}\` knows where it runs.

- It serves calls from the other apps (\`POST /calls/…\`, each with a signed token), its own HTTP routes as far as the gateway passes requests on, \`/livez\` and \`/readyz\`. Nobody else
  should be able to reach it.
- In development it listens on port ${port} (\`topology.json\`). In production tell every app where the others are: \`${domain.toUpperCase()}_URL\`, \`GATEWAY_URL\`, and all of them the same \`APP_SECRET\`.
- Its settings are those of the gateway that have to do with it: \`${domain.toUpperCase()}_DATABASE_URL\`, \`EVENTS_DATABASE_URL\` or \`NATS_URL\`, \`UNLEASH_URL\`, \`SMTP_URL\`, the OpenTelemetry ones; see
  \`.env.example\`.
- \`ROLE=http\` serves calls only, \`ROLE=worker\` handles events and schedules only.
`
