-- AlterTable
ALTER TABLE "organization" ADD COLUMN     "plan" TEXT NOT NULL DEFAULT 'free';

-- What Prisma's schema cannot say.
ALTER TABLE "organization" ADD CONSTRAINT "organization_plan" CHECK ("plan" IN ('free', 'pro', 'enterprise'));

-- Who a credential belongs to: the one read before a tenant is known, in one round trip. The credential is {"session": token} or
-- {"tenant": uuid, "hash": hex} of an API key. NULL for one that is unknown, expired or revoked, and for a key whose maker left.
-- "membership" is the one in the tenant with this slug, or, without a slug, the only one; null when there is none.
CREATE OR REPLACE FUNCTION resolve_actor(credential jsonb, slug text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
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
    SELECT jsonb_build_object('tenant', t.tenant, 'slug', t.slug, 'name', o.name, 'plan', o.plan, 'role', m.role) AS entry
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
    SELECT jsonb_build_object('tenant', t.tenant, 'slug', t.slug, 'name', o.name, 'plan', o.plan, 'role', m.role) INTO membership
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
