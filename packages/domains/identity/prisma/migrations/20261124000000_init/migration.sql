-- CreateTable
CREATE TABLE "user" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "image" TEXT,
    "operator" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "session" (
    "id" UUID NOT NULL,
    "token" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "ip_address" TEXT,
    "user_agent" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "account" (
    "id" UUID NOT NULL,
    "account_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "password" TEXT,
    "access_token" TEXT,
    "refresh_token" TEXT,
    "id_token" TEXT,
    "access_token_expires_at" TIMESTAMPTZ(3),
    "refresh_token_expires_at" TIMESTAMPTZ(3),
    "scope" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "account_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "verification" (
    "id" UUID NOT NULL,
    "identifier" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "verification_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant_slug" (
    "tenant" UUID NOT NULL,
    "slug" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_slug_pkey" PRIMARY KEY ("tenant")
);

-- CreateTable
CREATE TABLE "user_tenant" (
    "user_id" UUID NOT NULL,
    "tenant" UUID NOT NULL,

    CONSTRAINT "user_tenant_pkey" PRIMARY KEY ("user_id","tenant")
);

-- CreateTable
CREATE TABLE "organization" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "member" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "joined_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "member_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "invitation" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "invited_by" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "closed_at" TIMESTAMPTZ(3),

    CONSTRAINT "invitation_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "scopes" TEXT[] NOT NULL,
    "created_by" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "audit_log" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor_kind" TEXT NOT NULL,
    "actor_id" UUID NOT NULL,
    "action" TEXT NOT NULL,
    "target_type" TEXT NOT NULL,
    "target_id" UUID NOT NULL,

    CONSTRAINT "audit_log_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "user_email_key" ON "user"("email");

-- CreateIndex
CREATE UNIQUE INDEX "session_token_key" ON "session"("token");

-- CreateIndex
CREATE INDEX "session_user_id_idx" ON "session"("user_id");

-- CreateIndex
CREATE INDEX "account_user_id_idx" ON "account"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "account_provider_id_account_id_key" ON "account"("provider_id", "account_id");

-- CreateIndex
CREATE INDEX "verification_identifier_idx" ON "verification"("identifier");

-- CreateIndex
CREATE UNIQUE INDEX "tenant_slug_slug_key" ON "tenant_slug"("slug");

-- CreateIndex
CREATE UNIQUE INDEX "member_tenant_id_user_id_key" ON "member"("tenant_id", "user_id");

-- CreateIndex
CREATE INDEX "invitation_tenant_id_email_idx" ON "invitation"("tenant_id", "email");

-- CreateIndex
CREATE INDEX "api_key_tenant_id_created_by_idx" ON "api_key"("tenant_id", "created_by");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_tenant_id_hash_key" ON "api_key"("tenant_id", "hash");

-- AddForeignKey
ALTER TABLE "session" ADD CONSTRAINT "session_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "account" ADD CONSTRAINT "account_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema cannot say.
ALTER TABLE "user" ADD CONSTRAINT "user_email_lower_case" CHECK ("email" = lower("email"));
ALTER TABLE "organization" ADD CONSTRAINT "organization_is_the_tenant" CHECK ("id" = "tenant_id");
ALTER TABLE "member" ADD CONSTRAINT "member_role" CHECK ("role" IN ('owner', 'admin', 'member'));
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_role" CHECK ("role" IN ('owner', 'admin', 'member'));
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_email_lower_case" CHECK ("email" = lower("email"));
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_hash_is_sha256" CHECK (octet_length("hash") = 32);
ALTER TABLE "audit_log" ADD CONSTRAINT "audit_log_actor_kind" CHECK ("actor_kind" IN ('user', 'key'));

SELECT app.global_table('"user"', 'a person may belong to several tenants, or to none yet');
SELECT app.global_table('session', 'a session is known before a tenant is');
SELECT app.global_table('account', 'how a user signs in, whatever the tenant');
SELECT app.global_table('verification', 'pending verifications of addresses and password resets, before anyone is signed in');
SELECT app.global_table('tenant_slug', 'a slug is looked up before the tenant is known, and is unique across tenants');
SELECT app.global_table('user_tenant', 'the tenants of a user are looked up before one of them is chosen; grants nothing by itself');
SELECT app.tenant_table('organization');
SELECT app.tenant_table('member');
SELECT app.tenant_table('invitation');
SELECT app.tenant_table('api_key');
SELECT app.tenant_table('audit_log', true);

-- Who a credential belongs to: the one read before a tenant is known, in one round trip. The credential is {"session": token} or
-- {"tenant": uuid, "hash": hex} of an API key. NULL for one that is unknown, expired or revoked, and for a key whose maker left.
-- "membership" is the one in the tenant with this slug, or, without a slug, the only one; null when there is none.
CREATE FUNCTION resolve_actor(credential jsonb, slug text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  person identity."user";
  api_key identity.api_key;
  memberships jsonb;
  membership jsonb;
BEGIN
  IF credential ? 'session' THEN
    SELECT u.* INTO person FROM identity.session s JOIN identity."user" u ON u.id = s.user_id
    WHERE s.token = credential ->> 'session' AND s.expires_at > now();
  ELSE
    SELECT k.* INTO api_key FROM identity.api_key k
    WHERE k.tenant_id = (credential ->> 'tenant')::uuid AND k.hash = decode(credential ->> 'hash', 'hex')
      AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());
    SELECT u.* INTO person FROM identity.member m JOIN identity."user" u ON u.id = m.user_id
    WHERE m.tenant_id = api_key.tenant_id AND m.user_id = api_key.created_by AND m.removed_at IS NULL;
  END IF;
  IF person.id IS NULL THEN
    RETURN NULL;
  END IF;

  SELECT coalesce(jsonb_agg(found.entry), '[]') INTO memberships FROM (
    SELECT jsonb_build_object('tenant', t.tenant, 'slug', t.slug, 'name', o.name, 'role', m.role) AS entry
    FROM identity.user_tenant ut
    JOIN identity.member m ON m.tenant_id = ut.tenant AND m.user_id = ut.user_id AND m.removed_at IS NULL
    JOIN identity.organization o ON o.tenant_id = m.tenant_id
    JOIN identity.tenant_slug t ON t.tenant = m.tenant_id
    WHERE ut.user_id = person.id AND (api_key.id IS NULL OR ut.tenant = api_key.tenant_id)
    ORDER BY t.slug LIMIT 100
  ) found;

  IF slug IS NULL THEN
    membership := CASE WHEN jsonb_array_length(memberships) = 1 THEN memberships -> 0 END;
  ELSE
    SELECT jsonb_build_object('tenant', t.tenant, 'slug', t.slug, 'name', o.name, 'role', m.role) INTO membership
    FROM identity.tenant_slug t
    JOIN identity.member m ON m.tenant_id = t.tenant AND m.user_id = person.id AND m.removed_at IS NULL
    JOIN identity.organization o ON o.tenant_id = t.tenant
    WHERE t.slug = resolve_actor.slug AND (api_key.id IS NULL OR t.tenant = api_key.tenant_id);
  END IF;

  RETURN jsonb_build_object(
    'user', jsonb_build_object('id', person.id, 'name', person.name, 'email', person.email,
      'emailVerified', person.email_verified, 'operator', person.operator),
    'key', CASE WHEN api_key.id IS NOT NULL THEN jsonb_build_object('id', api_key.id, 'scopes', api_key.scopes) END,
    'memberships', memberships,
    'membership', membership);
END $$;
SELECT app.definer_function('resolve_actor(jsonb, text)', '"user"', 'session', 'tenant_slug', 'user_tenant', 'organization', 'member', 'api_key');
