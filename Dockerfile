# One image for every role: `serve` (the default), `check`, `status`, `apply`, …
#
#   docker build --tag tidegate .
#   docker run --rm --volume "$PWD":/etc/tidegate:ro tidegate check --config replica.yaml
#   docker run --read-only --volume tidegate:/var/lib/tidegate --volume "$PWD":/etc/tidegate:ro tidegate
#
# There is no build step: Node strips the types of what lies outside node_modules, so the sources are the program. Both bases are named by tag, so that a
# build of today has the patches of today; whoever releases gives their digests instead (deploy/README.md, "Container").
ARG TREE_IMAGE=docker.io/library/node:26-trixie-slim
ARG BASE_IMAGE=gcr.io/distroless/nodejs26-debian13:nonroot

FROM ${TREE_IMAGE} AS tree
WORKDIR /app
COPY package.json package-lock.json ./
# Optional packages are a second Node and native parts that nothing here needs: the base image has its Node, and everything runs without the rest.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
# Types and source maps are for people who write code: more than half of all bytes.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' \) -delete
COPY LICENSE ./
COPY policies ./policies
COPY providers ./providers
COPY src ./src
RUN mkdir state

# No shell, no package manager, no compiler: Node, the C library, certificates.
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="tidegate" \
      org.opencontainers.image.description="Global health-routing control plane: regional probers, a quorum, fenced DNS and load-balancer writes, measured convergence." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
# Owned by root, so that who runs in it cannot change it even where the root file system is writable.
COPY --from=tree --chown=0:0 /app/package.json /app/LICENSE /app/
COPY --from=tree --chown=0:0 /app/node_modules /app/node_modules
COPY --from=tree --chown=0:0 /app/policies /app/policies
COPY --from=tree --chown=0:0 /app/providers /app/providers
COPY --from=tree --chown=0:0 /app/src /app/src
# The only folder that is written.
COPY --from=tree --chown=65532:65532 /app/state /var/lib/tidegate
VOLUME ["/var/lib/tidegate"]
WORKDIR /etc/tidegate
USER 65532:65532
EXPOSE 7700
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --start-interval=2s --retries=3 \
  CMD ["/nodejs/bin/node", "/app/src/main.ts", "health", "--config", "/etc/tidegate/replica.yaml"]
ENTRYPOINT ["/nodejs/bin/node", "/app/src/main.ts"]
CMD ["serve", "--config", "/etc/tidegate/replica.yaml"]
