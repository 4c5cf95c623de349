# The gateway with the domains that it hosts. TypeScript runs as it is; what is built is the set of packages.
#   docker build -t offshoot-gateway .
#   docker run -e DATABASE_URL=… -e APP_SECRET=… offshoot-gateway node scripts/db.ts migrate
#   docker run -e IDENTITY_DATABASE_URL=… -e … -e APP_SECRET=… -e PUBLIC_URL=… -p 4000:4000 offshoot-gateway
FROM node:24-slim AS build
WORKDIR /app
ENV CI=true
COPY . .
# Everything, to generate the database clients; then only what runs.
RUN node scripts/setup.mjs
RUN rm -rf node_modules */node_modules */*/node_modules */*/*/node_modules \
 && npx --yes "$(node -p 'require("./package.json").packageManager')" install --prod --frozen-lockfile --filter-prod '@offshoot/gateway...' --filter-prod '@offshoot/scripts...'

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json /app/pnpm-workspace.yaml /app/topology.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages packages
COPY --from=build /app/scripts scripts
COPY --from=build /app/apps/gateway apps/gateway
USER node
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 4000}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# The memory that V8 keeps, as scripts/supervisor/child.ts has it.
CMD ["node", "--max-semi-space-size=16", "--heap-growing-percent=30", "--import", "./packages/platform/telemetry/src/register.ts", "apps/gateway/src/main.ts"]
