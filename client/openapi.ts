/** The types of openapi/openapi.yaml: written by `npm run client:types`. Do not edit. */
export interface paths {
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Liveness of the process */
        get: operations["livez"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Readiness and state of the dependencies */
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Metrics for Prometheus */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List company users
         * @description Lists the active users in the directory of a company.
         */
        get: operations["list-company-users"];
        put?: never;
        /**
         * Create a company user
         * @description Creates a user in the directory of a company. Procore does not send an invitation.
         */
        post: operations["create-company-user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.3/companies/{company_id}/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List company users
         * @description Lists the active users in the directory of a company. This is the same route under Procore's own path.
         */
        get: operations["list-company-users-procore-path"];
        put?: never;
        /**
         * Create a company user
         * @description Creates a user in the directory of a company. Procore does not send an invitation. This is the same route under Procore's own path.
         */
        post: operations["create-company-user-procore-path"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/validate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Validate a company user
         * @description Validates a body exactly as the create does, without calling Procore, so errors that only Procore can find are not reported. The request does not count against the rate limit of Procore and does not use the idempotency key.
         */
        post: operations["validate-company-user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/form": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the metadata of a form that creates a company user
         * @description Returns the schema of the create, the lists for its fields, countries and subdivisions, the fields that the company requires, and the limits of an avatar. A list that could not be loaded is null.
         */
        get: operations["company-user-form"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show a company user
         * @description Returns one user in the directory of a company.
         */
        get: operations["show-company-user"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Update a company user
         * @description Changes the given fields, and replaces the avatar if one is given. Where scopes are on, a change of `email_address` or `is_active` needs the scope `update-company-user-login` as well. Where permission templates are restricted, a user with another template cannot be changed.
         */
        patch: operations["update-company-user"];
        trace?: never;
    };
    "/rest/v1.3/companies/{company_id}/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show a company user
         * @description Returns one user in the directory of a company. This is the same route under Procore's own path.
         */
        get: operations["show-company-user-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Update a company user
         * @description Changes the given fields, and replaces the avatar if one is given. Where scopes are on, a change of `email_address` or `is_active` needs the scope `update-company-user-login` as well. Where permission templates are restricted, a user with another template cannot be changed. This is the same route under Procore's own path.
         */
        patch: operations["update-company-user-procore-path"];
        trace?: never;
    };
    "/companies/{company_id}/users/{id}/avatar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the avatar of a company user
         * @description Returns the picture of a user. The service reads the user, and fetches the picture with the access token if Procore asks for it. The scope is that of `show-company-user`. 404 with the code `not_found` if the user has no avatar.
         */
        get: operations["show-company-user-avatar"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/{id}/invite": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Invite a company user
         * @description Makes Procore send the user an invitation by e-mail. The request has no body. Where permission templates are restricted, a user with another template cannot be invited.
         */
        patch: operations["invite-company-user"];
        trace?: never;
    };
    "/rest/v1.3/companies/{company_id}/users/{id}/invite": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Invite a company user
         * @description Makes Procore send the user an invitation by e-mail. The request has no body. Where permission templates are restricted, a user with another template cannot be invited. This is the same route under Procore's own path.
         */
        patch: operations["invite-company-user-procore-path"];
        trace?: never;
    };
    "/companies/{company_id}/users/sync": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Create and update company users
         * @description Creates and updates up to 1,000 users. A row with an `id` changes that user; another row may change the user that has its `origin_id` or e-mail address. All rows are refused if one is not valid. Where scopes are on, rows without an `id` need the scope `create-company-user`, rows that change an existing user `update-company-user`, and those that change its `email_address` or `is_active` `update-company-user-login`. Where permission templates are restricted, no row may concern a user with another template. The response of Procore is passed on with one more member, `rows`: what became of each row. A response that is stored for an idempotency key has only that member.
         */
        patch: operations["sync-company-users"];
        trace?: never;
    };
    "/rest/v1.3/companies/{company_id}/users/sync": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Create and update company users
         * @description Creates and updates up to 1,000 users. A row with an `id` changes that user; another row may change the user that has its `origin_id` or e-mail address. All rows are refused if one is not valid. Where scopes are on, rows without an `id` need the scope `create-company-user`, rows that change an existing user `update-company-user`, and those that change its `email_address` or `is_active` `update-company-user-login`. Where permission templates are restricted, no row may concern a user with another template. The response of Procore is passed on with one more member, `rows`: what became of each row. A response that is stored for an idempotency key has only that member. This is the same route under Procore's own path.
         */
        patch: operations["sync-company-users-procore-path"];
        trace?: never;
    };
    "/companies/{company_id}/users/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Import company users
         * @description Creates users from the rows of a CSV or NDJSON file. A row that is not valid does not keep the others from being created. The response has a line for each row, in order, and a last line with the totals. With an Idempotency-Key, an import that was interrupted is resumed by sending the file again.
         */
        post: operations["import-company-users"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/inactive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List inactive company users
         * @description Lists the inactive users in the directory of a company.
         */
        get: operations["list-inactive-company-users"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/companies/{company_id}/users/inactive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List inactive company users
         * @description Lists the inactive users in the directory of a company. This is the same route under Procore's own path.
         */
        get: operations["list-inactive-company-users-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/inactive/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Reactivate a company user
         * @description Makes an inactive user active again. The request has no body. Where scopes are on, it needs the scope `update-company-user-login` as well. Where permission templates are restricted, a user with another template cannot be reactivated.
         */
        patch: operations["reactivate-company-user"];
        trace?: never;
    };
    "/rest/v1.0/companies/{company_id}/users/inactive/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Reactivate a company user
         * @description Makes an inactive user active again. The request has no body. Where scopes are on, it needs the scope `update-company-user-login` as well. Where permission templates are restricted, a user with another template cannot be reactivated. This is the same route under Procore's own path.
         */
        patch: operations["reactivate-company-user-procore-path"];
        trace?: never;
    };
    "/companies/{company_id}/users/bulk_add": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Add company users to projects
         * @description Adds users to projects, each with a permission template. At most 1000 at a time.
         */
        post: operations["add-company-users-to-projects"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v2.0/companies/{company_id}/users/bulk_add": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Add company users to projects
         * @description Adds users to projects, each with a permission template. At most 1000 at a time. This is the same route under Procore's own path.
         */
        post: operations["add-company-users-to-projects-procore-path"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/bulk_remove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove company users from projects
         * @description Removes users from projects. At most 1000 at a time.
         */
        post: operations["remove-company-users-from-projects"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v2.0/companies/{company_id}/users/bulk_remove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove company users from projects
         * @description Removes users from projects. At most 1000 at a time. This is the same route under Procore's own path.
         */
        post: operations["remove-company-users-from-projects-procore-path"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/users/bulk/status/{batch_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the status of a bulk operation
         * @description Returns how much of a queued bulk operation is done.
         */
        get: operations["show-company-users-bulk-status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v2.0/companies/{company_id}/users/bulk/status/{batch_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the status of a bulk operation
         * @description Returns how much of a queued bulk operation is done. This is the same route under Procore's own path.
         */
        get: operations["show-company-users-bulk-status-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the current company user
         * @description Returns the user in the directory of a company that requests to Procore are made as: the service account, not the caller.
         */
        get: operations["show-current-company-user"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.3/companies/{company_id}/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the current company user
         * @description Returns the user in the directory of a company that requests to Procore are made as: the service account, not the caller. This is the same route under Procore's own path.
         */
        get: operations["show-current-company-user-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List companies
         * @description Lists the companies that the caller may access, 100 to a page unless `per_page` says otherwise. Pages and their total have no other companies.
         */
        get: operations["list-companies"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/companies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List companies
         * @description Lists the companies that the caller may access, 100 to a page unless `per_page` says otherwise. Pages and their total have no other companies. This is the same route under Procore's own path.
         */
        get: operations["list-companies-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/permission_templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List permission templates
         * @description Lists all permission templates of a company. Without a filter, Procore may omit those of company tools.
         */
        get: operations["list-permission-templates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/companies/{company_id}/permission_templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List permission templates
         * @description Lists all permission templates of a company. Without a filter, Procore may omit those of company tools. This is the same route under Procore's own path.
         */
        get: operations["list-permission-templates-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/vendors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List vendors
         * @description Lists the vendors (companies) in the directory of a company.
         */
        get: operations["list-vendors"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/vendors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List vendors
         * @description Lists the vendors (companies) in the directory of a company. This is the same route under Procore's own path.
         */
        get: operations["list-vendors-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/work_classifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List work classifications
         * @description Lists the work classifications of a company.
         */
        get: operations["list-work-classifications"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/companies/{company_id}/work_classifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List work classifications
         * @description Lists the work classifications of a company. This is the same route under Procore's own path.
         */
        get: operations["list-work-classifications-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/trades": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List trades
         * @description Lists the trades of a company.
         */
        get: operations["list-trades"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/companies/{company_id}/trades": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List trades
         * @description Lists the trades of a company. This is the same route under Procore's own path.
         */
        get: operations["list-trades-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/companies/{company_id}/configurable_field_sets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List configurable field sets
         * @description Lists the field sets of a company: which fields of its records are shown and required.
         */
        get: operations["list-configurable-field-sets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1.0/companies/{company_id}/configurable_field_sets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List configurable field sets
         * @description Lists the field sets of a company: which fields of its records are shown and required. This is the same route under Procore's own path.
         */
        get: operations["list-configurable-field-sets-procore-path"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Problem: {
            /**
             * Format: uri-reference
             * @description The page that explains the code.
             */
            type: string;
            /** @description The same text for every problem with the code. */
            title: string;
            /** @description The status of the response. */
            status: number;
            /** @description What is wrong with this request. */
            detail: string;
            /**
             * @description The kind of problem, for programs.
             * @enum {string}
             */
            code: "malformed_json" | "malformed_form" | "malformed_csv" | "bad_request" | "unauthenticated" | "company_not_allowed" | "operation_not_allowed" | "template_not_allowed" | "origin_not_allowed" | "not_found" | "method_not_allowed" | "request_timeout" | "idempotency_in_progress" | "import_in_progress" | "body_too_large" | "avatar_too_large" | "unsupported_media_type" | "avatar_type" | "validation_failed" | "idempotency_key_reused" | "procore_rate_limited" | "too_many_requests" | "procore_rejected" | "internal" | "procore_unreachable" | "procore_unauthorized" | "procore_bad_response" | "procore_unavailable" | "identity_unavailable" | "overloaded" | "stopping" | "procore_timeout";
            /** @description The id of the request, also in the logs of the service. */
            request_id: string;
            /** @description All invalid inputs, at most 50. */
            errors?: {
                /**
                 * @description Part of the request that contains the input.
                 * @enum {string}
                 */
                in: "path" | "query" | "header" | "body";
                /** @description JSON Pointer (RFC 6901) to the input. */
                pointer: string;
                /** @description Name of the input in a multipart form. */
                field: string;
                /**
                 * @description The rule that the input violates. `procore`: an error that Procore reported.
                 * @enum {string}
                 */
                rule: "required" | "type" | "format" | "unknown" | "duplicate" | "dependency" | "size" | "procore";
                /** @description Message for people. */
                message: string;
            }[];
            /**
             * @description Outcome of a create that failed. `not_sent`: Procore received no complete request, so it is safe to repeat. `rejected`: Procore rejected the request. `unknown`: Procore may or may not have created the record.
             * @enum {string}
             */
            outcome?: "not_sent" | "rejected" | "unknown";
            /**
             * @description What the service found when it looked for the record of a create whose outcome is `unknown`. `not_found`: no record has the values that identify it. `ambiguous`: a record has them, but may be of another request. `inconclusive`: the lookup failed. Absent if nothing was looked up.
             * @enum {string}
             */
            lookup?: "not_found" | "ambiguous" | "inconclusive";
            /** @description The status and the body of Procore's response, if Procore rejected the request. */
            procore?: {
                status: number;
                body?: unknown;
            };
            /** @description The record that already has a value which Procore keeps unique. Present if it was found, and if the caller may show it. */
            existing?: {
                /** @description The id of the record in Procore. */
                id: number;
                /** @description Whether it is active. An inactive user can be reactivated. */
                is_active: boolean;
            };
        };
        /**
         * Readiness
         * @description The state of the service and of its dependencies.
         */
        Readiness: {
            /** @enum {string} */
            status: "ready" | "starting" | "stopping";
            dependencies: {
                login: {
                    /** @enum {string} */
                    state: "up" | "down";
                    /**
                     * Format: date-time
                     * @description Time at which this replica observed the change to this state.
                     */
                    since: string;
                    /** @description A configuration of the dependency that endangers the service. */
                    warning?: string;
                };
                api: {
                    /** @enum {string} */
                    state: "up" | "down";
                    /**
                     * Format: date-time
                     * @description Time at which this replica observed the change to this state.
                     */
                    since: string;
                    /** @description A configuration of the dependency that endangers the service. */
                    warning?: string;
                };
                identity?: {
                    /** @enum {string} */
                    state: "up" | "down";
                    /**
                     * Format: date-time
                     * @description Time at which this replica observed the change to this state.
                     */
                    since: string;
                    /** @description A configuration of the dependency that endangers the service. */
                    warning?: string;
                };
                redis?: {
                    /** @enum {string} */
                    state: "up" | "down";
                    /**
                     * Format: date-time
                     * @description Time at which this replica observed the change to this state.
                     */
                    since: string;
                    /** @description A configuration of the dependency that endangers the service. */
                    warning?: string;
                };
            };
        };
        "create-company-user": {
            user: {
                /**
                 * @description The last name of the user.
                 * @example Doe
                 */
                last_name: string;
                /**
                 * Format: email
                 * @description The e-mail address of the user, unique within the company.
                 * @example jane.doe@example.com
                 */
                email_address: string;
                /**
                 * @description The first name of the user.
                 * @example Jane
                 */
                first_name?: string | null;
                /**
                 * @description The job title of the user.
                 * @example QA Manager
                 */
                job_title?: string | null;
                /**
                 * @description The street address of the user.
                 * @example 6305 Carpinteria Ave
                 */
                address?: string | null;
                /**
                 * @description The city of the user.
                 * @example Carpinteria
                 */
                city?: string | null;
                /**
                 * @description The postal code of the user, as a string.
                 * @example 93013
                 */
                zip?: string | null;
                /**
                 * @description The initials of the user.
                 * @example JD
                 */
                initials?: string | null;
                /**
                 * @description Notes about the user.
                 * @example notes
                 */
                notes?: string | null;
                /**
                 * @description The business phone number of the user.
                 * @example 1-555-555-1234
                 */
                business_phone?: string | null;
                /**
                 * @description The mobile phone number of the user.
                 * @example 1-555-555-1234
                 */
                mobile_phone?: string | null;
                /**
                 * @description The fax number of the user.
                 * @example 1-555-555-1234
                 */
                fax_number?: string | null;
                /**
                 * @description The extension of the business phone number.
                 * @example 123
                 */
                business_phone_extension?: number | null;
                /**
                 * @description The e-mail signature of the user. It may contain HTML.
                 * @example <p>Sent from Procore.</p>
                 */
                email_signature?: string | null;
                /**
                 * @description Whether the user is active.
                 * @example true
                 */
                is_active?: boolean | null;
                /**
                 * @description Whether the user is an employee of the company. The default of Procore is false.
                 * @example false
                 */
                is_employee?: boolean | null;
                /**
                 * @description The employee id of the user. Procore uses it only if `is_employee` is true.
                 * @example 123456789
                 */
                employee_id?: string | null;
                /**
                 * Format: iso-3166-1-alpha-2
                 * @description The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.
                 * @example US
                 */
                country_code?: string | null;
                /**
                 * Format: iso-3166-2-subdivision
                 * @description The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to `country_code`, if given.
                 * @example CA
                 */
                state_code?: string | null;
                /**
                 * @description The id of the user in the system of origin.
                 * @example foobar
                 */
                origin_id?: string | null;
                /**
                 * @description Opaque data of the system of origin.
                 * @example OD-2398273424
                 */
                origin_data?: string | null;
                /**
                 * @description The id of the vendor (company) that the user belongs to.
                 * @example 161072
                 */
                vendor_id?: number | null;
                /**
                 * @description The id of the work classification of the user.
                 * @example 13
                 */
                work_classification_id?: number | null;
                /**
                 * @description The id of the permission template of the user in new projects.
                 * @example 27
                 */
                default_permission_template_id?: number | null;
                /**
                 * @description The id of the permission template of the user in the company.
                 * @example 28
                 */
                company_permission_template_id?: number | null;
                /**
                 * @description Whether the user is a bid contact of the vendor. It requires `vendor_id` if true.
                 * @example true
                 */
                bid_contact?: boolean | null;
                /** @description An image needs a form. `null` means that there is none. */
                avatar?: null;
            };
        };
        "create-company-user-form": {
            /**
             * @description The last name of the user.
             * @example Doe
             */
            "user[last_name]": string;
            /**
             * Format: email
             * @description The e-mail address of the user, unique within the company.
             * @example jane.doe@example.com
             */
            "user[email_address]": string;
            /**
             * @description The first name of the user.
             * @example Jane
             */
            "user[first_name]"?: string;
            /**
             * @description The job title of the user.
             * @example QA Manager
             */
            "user[job_title]"?: string;
            /**
             * @description The street address of the user.
             * @example 6305 Carpinteria Ave
             */
            "user[address]"?: string;
            /**
             * @description The city of the user.
             * @example Carpinteria
             */
            "user[city]"?: string;
            /**
             * @description The postal code of the user, as a string.
             * @example 93013
             */
            "user[zip]"?: string;
            /**
             * @description The initials of the user.
             * @example JD
             */
            "user[initials]"?: string;
            /**
             * @description Notes about the user.
             * @example notes
             */
            "user[notes]"?: string;
            /**
             * @description The business phone number of the user.
             * @example 1-555-555-1234
             */
            "user[business_phone]"?: string;
            /**
             * @description The mobile phone number of the user.
             * @example 1-555-555-1234
             */
            "user[mobile_phone]"?: string;
            /**
             * @description The fax number of the user.
             * @example 1-555-555-1234
             */
            "user[fax_number]"?: string;
            /**
             * @description The extension of the business phone number.
             * @example 123
             */
            "user[business_phone_extension]"?: number;
            /**
             * @description The e-mail signature of the user. It may contain HTML.
             * @example <p>Sent from Procore.</p>
             */
            "user[email_signature]"?: string;
            /**
             * @description Whether the user is active.
             * @example true
             */
            "user[is_active]"?: boolean;
            /**
             * @description Whether the user is an employee of the company. The default of Procore is false.
             * @example false
             */
            "user[is_employee]"?: boolean;
            /**
             * @description The employee id of the user. Procore uses it only if `is_employee` is true.
             * @example 123456789
             */
            "user[employee_id]"?: string;
            /**
             * Format: iso-3166-1-alpha-2
             * @description The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.
             * @example US
             */
            "user[country_code]"?: string;
            /**
             * Format: iso-3166-2-subdivision
             * @description The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to `country_code`, if given.
             * @example CA
             */
            "user[state_code]"?: string;
            /**
             * @description The id of the user in the system of origin.
             * @example foobar
             */
            "user[origin_id]"?: string;
            /**
             * @description Opaque data of the system of origin.
             * @example OD-2398273424
             */
            "user[origin_data]"?: string;
            /**
             * @description The id of the vendor (company) that the user belongs to.
             * @example 161072
             */
            "user[vendor_id]"?: number;
            /**
             * @description The id of the work classification of the user.
             * @example 13
             */
            "user[work_classification_id]"?: number;
            /**
             * @description The id of the permission template of the user in new projects.
             * @example 27
             */
            "user[default_permission_template_id]"?: number;
            /**
             * @description The id of the permission template of the user in the company.
             * @example 28
             */
            "user[company_permission_template_id]"?: number;
            /**
             * @description Whether the user is a bid contact of the vendor. It requires `vendor_id` if true.
             * @example true
             */
            "user[bid_contact]"?: boolean;
            /**
             * Format: binary
             * @description A PNG, JPEG, GIF, BMP or TIFF image. The type is detected from its first bytes. By default, metadata of PNG, JPEG and GIF images is removed. At most 10485760 bytes by default.
             */
            "user[avatar]"?: string;
        };
        /**
         * User
         * @description The user exactly as Procore returns it. Most members may be null or absent, and Procore may return other members.
         * @example {
         *       "id": 381006,
         *       "name": "Jane Doe",
         *       "first_name": "Jane",
         *       "last_name": "Doe",
         *       "email_address": "jane.doe@example.com",
         *       "job_title": "QA Manager",
         *       "avatar": null,
         *       "country_code": "US",
         *       "state_code": "CA",
         *       "is_active": true,
         *       "is_employee": false,
         *       "created_at": "2016-10-23T21:39:40Z",
         *       "updated_at": "2016-10-23T21:39:40Z",
         *       "vendor": {
         *         "id": 161072,
         *         "name": "SID Architecture"
         *       }
         *     }
         */
        User: {
            /** @description The id of the user in Procore. */
            id: number;
            name?: string | null;
            first_name?: string | null;
            last_name?: string | null;
            email_address?: string | null;
            job_title?: string | null;
            initials?: string | null;
            avatar?: string | null;
            address?: string | null;
            city?: string | null;
            state_code?: string | null;
            country_code?: string | null;
            zip?: string | null;
            business_id?: string | null;
            business_phone?: string | null;
            business_phone_extension?: number | null;
            mobile_phone?: string | null;
            fax_number?: string | null;
            email_signature?: string | null;
            employee_id?: string | null;
            notes?: string | null;
            is_active?: boolean | null;
            is_employee?: boolean | null;
            is_insurance_manager?: boolean | null;
            add_to_new_projects?: boolean | null;
            last_login_at?: string | null;
            created_at?: string | null;
            updated_at?: string | null;
            origin_id?: string | null;
            origin_data?: string | null;
            vendor?: {
                id?: number;
                name?: string | null;
            } | null;
            work_classification_id?: number | null;
            default_permission_template_id?: number | null;
            company_permission_template_id?: number | null;
        } & {
            [key: string]: unknown;
        };
        "update-company-user": {
            user: {
                /**
                 * @description The last name of the user.
                 * @example Doe
                 */
                last_name?: string;
                /**
                 * Format: email
                 * @description The e-mail address of the user, unique within the company.
                 * @example jane.doe@example.com
                 */
                email_address?: string;
                /**
                 * @description The first name of the user.
                 * @example Jane
                 */
                first_name?: string | null;
                /**
                 * @description The job title of the user.
                 * @example QA Manager
                 */
                job_title?: string | null;
                /**
                 * @description The street address of the user.
                 * @example 6305 Carpinteria Ave
                 */
                address?: string | null;
                /**
                 * @description The city of the user.
                 * @example Carpinteria
                 */
                city?: string | null;
                /**
                 * @description The postal code of the user, as a string.
                 * @example 93013
                 */
                zip?: string | null;
                /**
                 * @description The initials of the user.
                 * @example JD
                 */
                initials?: string | null;
                /**
                 * @description Notes about the user.
                 * @example notes
                 */
                notes?: string | null;
                /**
                 * @description The business phone number of the user.
                 * @example 1-555-555-1234
                 */
                business_phone?: string | null;
                /**
                 * @description The mobile phone number of the user.
                 * @example 1-555-555-1234
                 */
                mobile_phone?: string | null;
                /**
                 * @description The fax number of the user.
                 * @example 1-555-555-1234
                 */
                fax_number?: string | null;
                /**
                 * @description The extension of the business phone number.
                 * @example 123
                 */
                business_phone_extension?: number | null;
                /**
                 * @description The e-mail signature of the user. It may contain HTML.
                 * @example <p>Sent from Procore.</p>
                 */
                email_signature?: string | null;
                /**
                 * @description Whether the user is active.
                 * @example true
                 */
                is_active?: boolean;
                /**
                 * @description Whether the user is an employee of the company. The default of Procore is false.
                 * @example false
                 */
                is_employee?: boolean;
                /**
                 * @description The employee id of the user. Procore uses it only if `is_employee` is true.
                 * @example 123456789
                 */
                employee_id?: string | null;
                /**
                 * Format: iso-3166-1-alpha-2
                 * @description The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.
                 * @example US
                 */
                country_code?: string | null;
                /**
                 * Format: iso-3166-2-subdivision
                 * @description The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to `country_code`, if given.
                 * @example CA
                 */
                state_code?: string | null;
                /**
                 * @description The id of the user in the system of origin.
                 * @example foobar
                 */
                origin_id?: string | null;
                /**
                 * @description Opaque data of the system of origin.
                 * @example OD-2398273424
                 */
                origin_data?: string | null;
                /**
                 * @description The id of the vendor (company) that the user belongs to.
                 * @example 161072
                 */
                vendor_id?: number | null;
                /**
                 * @description The id of the work classification of the user.
                 * @example 13
                 */
                work_classification_id?: number | null;
                /**
                 * @description The id of the permission template of the user in new projects.
                 * @example 27
                 */
                default_permission_template_id?: number | null;
                /**
                 * @description The id of the permission template of the user in the company.
                 * @example 28
                 */
                company_permission_template_id?: number | null;
                /**
                 * @description Whether the user is added to new projects.
                 * @example true
                 */
                add_to_new_projects?: boolean;
            };
        };
        "update-company-user-form": {
            /**
             * @description The last name of the user.
             * @example Doe
             */
            "user[last_name]"?: string;
            /**
             * Format: email
             * @description The e-mail address of the user, unique within the company.
             * @example jane.doe@example.com
             */
            "user[email_address]"?: string;
            /**
             * @description The first name of the user.
             * @example Jane
             */
            "user[first_name]"?: string;
            /**
             * @description The job title of the user.
             * @example QA Manager
             */
            "user[job_title]"?: string;
            /**
             * @description The street address of the user.
             * @example 6305 Carpinteria Ave
             */
            "user[address]"?: string;
            /**
             * @description The city of the user.
             * @example Carpinteria
             */
            "user[city]"?: string;
            /**
             * @description The postal code of the user, as a string.
             * @example 93013
             */
            "user[zip]"?: string;
            /**
             * @description The initials of the user.
             * @example JD
             */
            "user[initials]"?: string;
            /**
             * @description Notes about the user.
             * @example notes
             */
            "user[notes]"?: string;
            /**
             * @description The business phone number of the user.
             * @example 1-555-555-1234
             */
            "user[business_phone]"?: string;
            /**
             * @description The mobile phone number of the user.
             * @example 1-555-555-1234
             */
            "user[mobile_phone]"?: string;
            /**
             * @description The fax number of the user.
             * @example 1-555-555-1234
             */
            "user[fax_number]"?: string;
            /**
             * @description The extension of the business phone number.
             * @example 123
             */
            "user[business_phone_extension]"?: number;
            /**
             * @description The e-mail signature of the user. It may contain HTML.
             * @example <p>Sent from Procore.</p>
             */
            "user[email_signature]"?: string;
            /**
             * @description Whether the user is active.
             * @example true
             */
            "user[is_active]"?: boolean;
            /**
             * @description Whether the user is an employee of the company. The default of Procore is false.
             * @example false
             */
            "user[is_employee]"?: boolean;
            /**
             * @description The employee id of the user. Procore uses it only if `is_employee` is true.
             * @example 123456789
             */
            "user[employee_id]"?: string;
            /**
             * Format: iso-3166-1-alpha-2
             * @description The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.
             * @example US
             */
            "user[country_code]"?: string;
            /**
             * Format: iso-3166-2-subdivision
             * @description The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to `country_code`, if given.
             * @example CA
             */
            "user[state_code]"?: string;
            /**
             * @description The id of the user in the system of origin.
             * @example foobar
             */
            "user[origin_id]"?: string;
            /**
             * @description Opaque data of the system of origin.
             * @example OD-2398273424
             */
            "user[origin_data]"?: string;
            /**
             * @description The id of the vendor (company) that the user belongs to.
             * @example 161072
             */
            "user[vendor_id]"?: number;
            /**
             * @description The id of the work classification of the user.
             * @example 13
             */
            "user[work_classification_id]"?: number;
            /**
             * @description The id of the permission template of the user in new projects.
             * @example 27
             */
            "user[default_permission_template_id]"?: number;
            /**
             * @description The id of the permission template of the user in the company.
             * @example 28
             */
            "user[company_permission_template_id]"?: number;
            /**
             * @description Whether the user is added to new projects.
             * @example true
             */
            "user[add_to_new_projects]"?: boolean;
            /**
             * Format: binary
             * @description A PNG, JPEG, GIF, BMP or TIFF image. The type is detected from its first bytes. By default, metadata of PNG, JPEG and GIF images is removed. At most 10485760 bytes by default.
             */
            "user[avatar]"?: string;
        };
        "sync-company-users": {
            updates: ({
                /**
                 * @description The last name of the user.
                 * @example Doe
                 */
                last_name: string;
                /**
                 * Format: email
                 * @description The e-mail address of the user, unique within the company.
                 * @example jane.doe@example.com
                 */
                email_address: string;
                /**
                 * @description The first name of the user.
                 * @example Jane
                 */
                first_name?: string | null;
                /**
                 * @description The job title of the user.
                 * @example QA Manager
                 */
                job_title?: string | null;
                /**
                 * @description The street address of the user.
                 * @example 6305 Carpinteria Ave
                 */
                address?: string | null;
                /**
                 * @description The city of the user.
                 * @example Carpinteria
                 */
                city?: string | null;
                /**
                 * @description The postal code of the user, as a string.
                 * @example 93013
                 */
                zip?: string | null;
                /**
                 * @description The initials of the user.
                 * @example JD
                 */
                initials?: string | null;
                /**
                 * @description Notes about the user.
                 * @example notes
                 */
                notes?: string | null;
                /**
                 * @description The business phone number of the user.
                 * @example 1-555-555-1234
                 */
                business_phone?: string | null;
                /**
                 * @description The mobile phone number of the user.
                 * @example 1-555-555-1234
                 */
                mobile_phone?: string | null;
                /**
                 * @description The fax number of the user.
                 * @example 1-555-555-1234
                 */
                fax_number?: string | null;
                /**
                 * @description The extension of the business phone number.
                 * @example 123
                 */
                business_phone_extension?: number | null;
                /**
                 * @description The e-mail signature of the user. It may contain HTML.
                 * @example <p>Sent from Procore.</p>
                 */
                email_signature?: string | null;
                /**
                 * @description Whether the user is active.
                 * @example true
                 */
                is_active?: boolean | null;
                /**
                 * @description Whether the user is an employee of the company. The default of Procore is false.
                 * @example false
                 */
                is_employee?: boolean | null;
                /**
                 * @description The employee id of the user. Procore uses it only if `is_employee` is true.
                 * @example 123456789
                 */
                employee_id?: string | null;
                /**
                 * Format: iso-3166-1-alpha-2
                 * @description The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.
                 * @example US
                 */
                country_code?: string | null;
                /**
                 * Format: iso-3166-2-subdivision
                 * @description The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to `country_code`, if given.
                 * @example CA
                 */
                state_code?: string | null;
                /**
                 * @description The id of the user in the system of origin.
                 * @example foobar
                 */
                origin_id?: string | null;
                /**
                 * @description Opaque data of the system of origin.
                 * @example OD-2398273424
                 */
                origin_data?: string | null;
                /**
                 * @description The id of the vendor (company) that the user belongs to.
                 * @example 161072
                 */
                vendor_id?: number | null;
                /**
                 * @description The id of the work classification of the user.
                 * @example 13
                 */
                work_classification_id?: number | null;
                /**
                 * @description The id of the permission template of the user in new projects.
                 * @example 27
                 */
                default_permission_template_id?: number | null;
                /**
                 * @description The id of the permission template of the user in the company.
                 * @example 28
                 */
                company_permission_template_id?: number | null;
            } | {
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: number;
                /**
                 * @description The last name of the user.
                 * @example Doe
                 */
                last_name?: string;
                /**
                 * Format: email
                 * @description The e-mail address of the user, unique within the company.
                 * @example jane.doe@example.com
                 */
                email_address?: string;
                /**
                 * @description The first name of the user.
                 * @example Jane
                 */
                first_name?: string | null;
                /**
                 * @description The job title of the user.
                 * @example QA Manager
                 */
                job_title?: string | null;
                /**
                 * @description The street address of the user.
                 * @example 6305 Carpinteria Ave
                 */
                address?: string | null;
                /**
                 * @description The city of the user.
                 * @example Carpinteria
                 */
                city?: string | null;
                /**
                 * @description The postal code of the user, as a string.
                 * @example 93013
                 */
                zip?: string | null;
                /**
                 * @description The initials of the user.
                 * @example JD
                 */
                initials?: string | null;
                /**
                 * @description Notes about the user.
                 * @example notes
                 */
                notes?: string | null;
                /**
                 * @description The business phone number of the user.
                 * @example 1-555-555-1234
                 */
                business_phone?: string | null;
                /**
                 * @description The mobile phone number of the user.
                 * @example 1-555-555-1234
                 */
                mobile_phone?: string | null;
                /**
                 * @description The fax number of the user.
                 * @example 1-555-555-1234
                 */
                fax_number?: string | null;
                /**
                 * @description The extension of the business phone number.
                 * @example 123
                 */
                business_phone_extension?: number | null;
                /**
                 * @description The e-mail signature of the user. It may contain HTML.
                 * @example <p>Sent from Procore.</p>
                 */
                email_signature?: string | null;
                /**
                 * @description Whether the user is active.
                 * @example true
                 */
                is_active?: boolean;
                /**
                 * @description Whether the user is an employee of the company. The default of Procore is false.
                 * @example false
                 */
                is_employee?: boolean;
                /**
                 * @description The employee id of the user. Procore uses it only if `is_employee` is true.
                 * @example 123456789
                 */
                employee_id?: string | null;
                /**
                 * Format: iso-3166-1-alpha-2
                 * @description The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.
                 * @example US
                 */
                country_code?: string | null;
                /**
                 * Format: iso-3166-2-subdivision
                 * @description The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to `country_code`, if given.
                 * @example CA
                 */
                state_code?: string | null;
                /**
                 * @description The id of the user in the system of origin.
                 * @example foobar
                 */
                origin_id?: string | null;
                /**
                 * @description Opaque data of the system of origin.
                 * @example OD-2398273424
                 */
                origin_data?: string | null;
                /**
                 * @description The id of the vendor (company) that the user belongs to.
                 * @example 161072
                 */
                vendor_id?: number | null;
                /**
                 * @description The id of the work classification of the user.
                 * @example 13
                 */
                work_classification_id?: number | null;
                /**
                 * @description The id of the permission template of the user in new projects.
                 * @example 27
                 */
                default_permission_template_id?: number | null;
                /**
                 * @description The id of the permission template of the user in the company.
                 * @example 28
                 */
                company_permission_template_id?: number | null;
            })[];
        };
        /**
         * SyncResult
         * @example {
         *       "entities": [
         *         {
         *           "id": 381006,
         *           "last_name": "Doe",
         *           "email_address": "jane.doe@example.com"
         *         }
         *       ],
         *       "errors": [],
         *       "rows": [
         *         {
         *           "row": 1,
         *           "status": "created",
         *           "id": 381006
         *         }
         *       ]
         *     }
         */
        SyncResult: {
            /** @description The users that were created or updated, as Procore returns them. Absent in a stored response. */
            entities?: ({
                /** @description The id of the user in Procore. */
                id: number;
                name?: string | null;
                first_name?: string | null;
                last_name?: string | null;
                email_address?: string | null;
                job_title?: string | null;
                initials?: string | null;
                avatar?: string | null;
                address?: string | null;
                city?: string | null;
                state_code?: string | null;
                country_code?: string | null;
                zip?: string | null;
                business_id?: string | null;
                business_phone?: string | null;
                business_phone_extension?: number | null;
                mobile_phone?: string | null;
                fax_number?: string | null;
                email_signature?: string | null;
                employee_id?: string | null;
                notes?: string | null;
                is_active?: boolean | null;
                is_employee?: boolean | null;
                is_insurance_manager?: boolean | null;
                add_to_new_projects?: boolean | null;
                last_login_at?: string | null;
                created_at?: string | null;
                updated_at?: string | null;
                origin_id?: string | null;
                origin_data?: string | null;
                vendor?: {
                    id?: number;
                    name?: string | null;
                } | null;
                work_classification_id?: number | null;
                default_permission_template_id?: number | null;
                company_permission_template_id?: number | null;
            } & {
                [key: string]: unknown;
            })[];
            /** @description The attributes of each rejected row, with its errors, as Procore returns them. Absent in a stored response. */
            errors?: {
                [key: string]: unknown;
            }[];
            /** @description The result of each row, in the order of the request. */
            rows: {
                /** @description The number of the row in the request, starting at 1. */
                row: number;
                /**
                 * @description What became of the row. `unknown`: the response of Procore does not mention it, or not with certainty, so look before you repeat it.
                 * @enum {string}
                 */
                status: "created" | "updated" | "rejected" | "unknown";
                /** @description The id of the user. Only of rows that were created or updated. */
                id?: number;
                /** @description The errors that Procore found. Only of rows that were rejected, and absent in a stored response that would become too large. */
                errors?: {
                    /** @enum {string} */
                    in: "body";
                    /** @description JSON Pointer (RFC 6901) to the input. */
                    pointer: string;
                    /** @description The steps of the pointer as the name of a form field. */
                    field: string;
                    /** @enum {string} */
                    rule: "procore";
                    /** @description Message of Procore for people. */
                    message: string;
                }[];
            }[];
        } & {
            [key: string]: unknown;
        };
        /** @description A header with the names of fields, and a row for each user. */
        "import-company-users": string;
        "import-company-users-form": {
            /**
             * Format: binary
             * @description The CSV or NDJSON file. The part may have any name.
             */
            file: string;
        };
        "add-company-users-to-projects": {
            users: {
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                user_id: string;
                /**
                 * @description The id of the project.
                 * @example 3
                 */
                project_id: string;
                /**
                 * @description The id of the permission template in the project. Required where permission templates are restricted. A user who is in the project already keeps its template.
                 * @example 27
                 */
                permission_template_id?: string | null;
                /**
                 * @description The ids of project roles.
                 * @example [
                 *       "12"
                 *     ]
                 */
                project_role_ids?: string[] | null;
            }[];
        };
        "remove-company-users-from-projects": {
            users: {
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                user_id: string;
                /**
                 * @description The id of the project.
                 * @example 3
                 */
                project_id: string;
            }[];
        };
    };
    responses: {
        /** @description The request is not valid HTTP or exceeds a limit. */
        "problem-400": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is not valid JSON. The form is not valid multipart/form-data. The request is not valid HTTP or exceeds a limit. */
        "problem-400-body": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller is not authenticated. */
        "problem-401": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Access to this company is not allowed. The scope of the caller does not include this operation. This permission template may not be assigned. The page or the host name of the request is not allowed. */
        "problem-403": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The route or the file does not exist. */
        "problem-404": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The route does not support this method. */
        "problem-405": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request did not arrive in time. */
        "problem-408": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description A request with this idempotency key is still in progress. */
        "problem-409-change-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is too large. The avatar is too large. */
        "problem-413-body": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The media type is not supported. The avatar is not an image of a supported type. */
        "problem-415-body": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not valid. This idempotency key was used for another request. */
        "problem-422-change-body-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The rate limit of Procore is exhausted. The caller sends too many requests. */
        "problem-429-change": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description An unexpected error occurred in this service. */
        "problem-500": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore could not be reached. Procore does not accept the credentials of this service. Procore sent a response that cannot be used. */
        "problem-502-change": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore is not available. Callers cannot be verified. This service has reached a limit. This service is stopping. */
        "problem-503-change": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore did not respond in time. */
        "problem-504-change": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore rejected the request. */
        "problem-4XX-change-body": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Access to this company is not allowed. The scope of the caller does not include this operation. The page or the host name of the request is not allowed. */
        "problem-403-other": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not valid. */
        "problem-422": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The rate limit of Procore is exhausted. The caller sends too many requests. */
        "problem-429-safe": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore could not be reached. Procore does not accept the credentials of this service. Procore sent a response that cannot be used. */
        "problem-502-safe": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore is not available. Callers cannot be verified. This service has reached a limit. This service is stopping. */
        "problem-503-safe": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore did not respond in time. */
        "problem-504-safe": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore rejected the request. */
        "problem-4XX-safe": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not valid. */
        "problem-422-body": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller sends too many requests. */
        "problem-429-safe-body-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Callers cannot be verified. This service has reached a limit. This service is stopping. */
        "problem-503-safe-body-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not valid. This idempotency key was used for another request. */
        "problem-422-change-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Procore rejected the request. */
        "problem-4XX-change": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is not valid JSON. The request is not valid HTTP or exceeds a limit. */
        "problem-400-change-body-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is too large. */
        "problem-413-change-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The media type is not supported. */
        "problem-415-change-key": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The form is not valid multipart/form-data. The file is not valid CSV. The request is not valid HTTP or exceeds a limit. */
        "problem-400-change-key-import": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Another import into this company is in progress. */
        "problem-409-change-key-import": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /**
         * @description Whether Procore enforces the fields that the company requires. The default of Procore is false.
         * @example false
         */
        "query-run_configurable_validations": boolean;
        /**
         * @description The id of the company.
         * @example 1234
         */
        "path-company_id": number;
        /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
        "header-Idempotency-Key": string;
        /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
        "header-X-Request-Id": string;
        /**
         * @description Page number, starting at 1.
         * @example 1
         */
        "query-page": number;
        /**
         * @description Number of items per page.
         * @example 100
         */
        "query-per_page": number;
        /**
         * @description The id of the user.
         * @example 381006
         */
        "path-id": number;
    };
    requestBodies: never;
    headers: {
        /** @description The id of the request: the `X-Request-Id` of the caller if it is valid, else a new id. */
        "x-request-id": string;
        /** @description Procore's own id of the request. */
        "procore-request-id": string;
        /** @description The first, previous, next and last page (RFC 8288), relative to the URL that was requested. */
        link: string;
        /** @description The number of items on all pages together. */
        total: number;
        /** @description The number of items on a page. */
        "per-page": number;
        /** @description `private`, and how long the response may be cached. */
        "cache-control": string;
        /** @description How many seconds ago Procore sent the data (RFC 9111 §5.1). Absent if it was requested just now. */
        age: number;
        /** @description `stale` if the data is older than usual, because Procore is down, slow or rate limited. */
        "x-outcome": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The complete document. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400"];
        };
    };
    livez: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "live";
                    };
                };
            };
            400: components["responses"]["problem-400"];
        };
    };
    readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The state of the service and of its dependencies. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["problem-400"];
            /** @description The state of the service and of its dependencies. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metrics in the text format of Prometheus. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            400: components["responses"]["problem-400"];
        };
    };
    "list-company-users": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /** @description The level of detail for each user. */
                view?: "normal" | "extended" | "ids_only";
                /** @description The sort order of the list. */
                sort?: "name" | "vendor_name" | "permission_template" | "full_name" | "projects" | "email" | "job_title";
                /**
                 * @description Text that the name or the e-mail address contains.
                 * @example Doe
                 */
                "filters[search]"?: string;
                /**
                 * @description The id of the vendor that users belong to.
                 * @example 161072
                 */
                "filters[vendor_id]"?: number;
                /**
                 * @description The id of the user in the system of origin.
                 * @example foobar
                 */
                "filters[origin_id]"?: string;
                /**
                 * @description The ids of trades; users with any of them match.
                 * @example [
                 *       5,
                 *       8
                 *     ]
                 */
                "filters[trade_id][]"?: number[];
                /**
                 * @description When users were created: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[created_at]"?: string;
                /**
                 * @description When users were updated: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01T00:00:00Z...2026-01-02T00:00:00Z
                 */
                "filters[updated_at]"?: string;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of users. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 381006,
                     *         "name": "Jane Doe",
                     *         "first_name": "Jane",
                     *         "last_name": "Doe",
                     *         "email_address": "jane.doe@example.com",
                     *         "job_title": "QA Manager",
                     *         "avatar": null,
                     *         "country_code": "US",
                     *         "state_code": "CA",
                     *         "is_active": true,
                     *         "is_employee": false,
                     *         "created_at": "2016-10-23T21:39:40Z",
                     *         "updated_at": "2016-10-23T21:39:40Z",
                     *         "vendor": {
                     *           "id": 161072,
                     *           "name": "SID Architecture"
                     *         }
                     *       }
                     *     ]
                     */
                    "application/json": (components["schemas"]["User"] | number)[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "create-company-user": {
        parameters: {
            query?: {
                /**
                 * @description Whether Procore enforces the fields that the company requires. The default of Procore is false.
                 * @example false
                 */
                run_configurable_validations?: components["parameters"]["query-run_configurable_validations"];
            };
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user": {
                 *         "last_name": "Doe",
                 *         "email_address": "jane.doe@example.com",
                 *         "first_name": "Jane",
                 *         "job_title": "QA Manager",
                 *         "address": "6305 Carpinteria Ave",
                 *         "city": "Carpinteria"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["create-company-user"];
                /**
                 * @example {
                 *       "user[last_name]": "Doe",
                 *       "user[email_address]": "jane.doe@example.com",
                 *       "user[first_name]": "Jane",
                 *       "user[job_title]": "QA Manager",
                 *       "user[address]": "6305 Carpinteria Ave",
                 *       "user[city]": "Carpinteria"
                 *     }
                 */
                "multipart/form-data": components["schemas"]["create-company-user-form"];
            };
        };
        responses: {
            /** @description The user was created. */
            201: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400-body"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-body"];
            415: components["responses"]["problem-415-body"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "list-company-users-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /** @description The level of detail for each user. */
                view?: "normal" | "extended" | "ids_only";
                /** @description The sort order of the list. */
                sort?: "name" | "vendor_name" | "permission_template" | "full_name" | "projects" | "email" | "job_title";
                /**
                 * @description Text that the name or the e-mail address contains.
                 * @example Doe
                 */
                "filters[search]"?: string;
                /**
                 * @description The id of the vendor that users belong to.
                 * @example 161072
                 */
                "filters[vendor_id]"?: number;
                /**
                 * @description The id of the user in the system of origin.
                 * @example foobar
                 */
                "filters[origin_id]"?: string;
                /**
                 * @description The ids of trades; users with any of them match.
                 * @example [
                 *       5,
                 *       8
                 *     ]
                 */
                "filters[trade_id][]"?: number[];
                /**
                 * @description When users were created: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[created_at]"?: string;
                /**
                 * @description When users were updated: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01T00:00:00Z...2026-01-02T00:00:00Z
                 */
                "filters[updated_at]"?: string;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of users. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 381006,
                     *         "name": "Jane Doe",
                     *         "first_name": "Jane",
                     *         "last_name": "Doe",
                     *         "email_address": "jane.doe@example.com",
                     *         "job_title": "QA Manager",
                     *         "avatar": null,
                     *         "country_code": "US",
                     *         "state_code": "CA",
                     *         "is_active": true,
                     *         "is_employee": false,
                     *         "created_at": "2016-10-23T21:39:40Z",
                     *         "updated_at": "2016-10-23T21:39:40Z",
                     *         "vendor": {
                     *           "id": 161072,
                     *           "name": "SID Architecture"
                     *         }
                     *       }
                     *     ]
                     */
                    "application/json": (components["schemas"]["User"] | number)[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "create-company-user-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Whether Procore enforces the fields that the company requires. The default of Procore is false.
                 * @example false
                 */
                run_configurable_validations?: components["parameters"]["query-run_configurable_validations"];
            };
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user": {
                 *         "last_name": "Doe",
                 *         "email_address": "jane.doe@example.com",
                 *         "first_name": "Jane",
                 *         "job_title": "QA Manager",
                 *         "address": "6305 Carpinteria Ave",
                 *         "city": "Carpinteria"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["create-company-user"];
                /**
                 * @example {
                 *       "user[last_name]": "Doe",
                 *       "user[email_address]": "jane.doe@example.com",
                 *       "user[first_name]": "Jane",
                 *       "user[job_title]": "QA Manager",
                 *       "user[address]": "6305 Carpinteria Ave",
                 *       "user[city]": "Carpinteria"
                 *     }
                 */
                "multipart/form-data": components["schemas"]["create-company-user-form"];
            };
        };
        responses: {
            /** @description The user was created. */
            201: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400-body"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-body"];
            415: components["responses"]["problem-415-body"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "validate-company-user": {
        parameters: {
            query?: {
                /**
                 * @description Whether Procore enforces the fields that the company requires. The default of Procore is false.
                 * @example false
                 */
                run_configurable_validations?: components["parameters"]["query-run_configurable_validations"];
            };
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user": {
                 *         "last_name": "Doe",
                 *         "email_address": "jane.doe@example.com",
                 *         "first_name": "Jane",
                 *         "job_title": "QA Manager",
                 *         "address": "6305 Carpinteria Ave",
                 *         "city": "Carpinteria"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["create-company-user"];
                /**
                 * @example {
                 *       "user[last_name]": "Doe",
                 *       "user[email_address]": "jane.doe@example.com",
                 *       "user[first_name]": "Jane",
                 *       "user[job_title]": "QA Manager",
                 *       "user[address]": "6305 Carpinteria Ave",
                 *       "user[city]": "Carpinteria"
                 *     }
                 */
                "multipart/form-data": components["schemas"]["create-company-user-form"];
            };
        };
        responses: {
            /** @description The body is valid: the create would be sent. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "valid": true
                     *     }
                     */
                    "application/json": {
                        /** @enum {boolean} */
                        valid: true;
                    };
                };
            };
            400: components["responses"]["problem-400-body"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            413: components["responses"]["problem-413-body"];
            415: components["responses"]["problem-415-body"];
            422: components["responses"]["problem-422-body"];
            429: components["responses"]["problem-429-safe-body-key"];
            500: components["responses"]["problem-500"];
            503: components["responses"]["problem-503-safe-body-key"];
        };
    };
    "company-user-form": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metadata of the form. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    /** @description Identifies exactly these bytes. With `If-None-Match` they are not sent again (304). */
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "schema": {},
                     *       "required_fields": [
                     *         "text"
                     *       ],
                     *       "pick_lists": {
                     *         "permission_templates": [
                     *           {}
                     *         ],
                     *         "vendors": [
                     *           {}
                     *         ],
                     *         "work_classifications": [
                     *           {}
                     *         ],
                     *         "trades": [
                     *           {}
                     *         ]
                     *       },
                     *       "incomplete": [
                     *         "text"
                     *       ],
                     *       "countries": [
                     *         {
                     *           "code": "text",
                     *           "name": "text",
                     *           "subdivisions": [
                     *             {
                     *               "code": "text",
                     *               "name": "text"
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "avatar": {
                     *         "types": [
                     *           "text"
                     *         ],
                     *         "maxBytes": 1,
                     *         "maxPixels": 1
                     *       },
                     *       "problems": {}
                     *     }
                     */
                    "application/json": {
                        /** @description The JSON Schema (2020-12) of the body of the create. */
                        schema: {
                            [key: string]: unknown;
                        };
                        /** @description The fields that the company requires according to its field sets. Procore enforces them with `run_configurable_validations`. Null if the field sets could not be read; `problems` has the reason. */
                        required_fields: string[] | null;
                        pick_lists: {
                            /** @description Null if the list could not be loaded; `problems` has the reason. */
                            permission_templates: {
                                [key: string]: unknown;
                            }[] | null;
                            /** @description Null if the list could not be loaded; `problems` has the reason. */
                            vendors: {
                                [key: string]: unknown;
                            }[] | null;
                            /** @description Null if the list could not be loaded; `problems` has the reason. */
                            work_classifications: {
                                [key: string]: unknown;
                            }[] | null;
                            /** @description Null if the list could not be loaded; `problems` has the reason. */
                            trades: {
                                [key: string]: unknown;
                            }[] | null;
                        };
                        /** @description Names of the lists that have more items than are included here. Search in them. */
                        incomplete: string[];
                        countries: {
                            code: string;
                            name: string;
                            subdivisions: {
                                code: string;
                                name: string;
                            }[];
                        }[];
                        avatar: {
                            types: string[];
                            maxBytes: number;
                            maxPixels: number;
                        };
                        /** @description The reason why a part is null, by its name. */
                        problems: {
                            [key: string]: {
                                code: string;
                                detail: string;
                            };
                        };
                    };
                };
            };
            /** @description The form is the one that `If-None-Match` names. */
            304: {
                headers: {
                    /** @description Identifies exactly these bytes. With `If-None-Match` they are not sent again (304). */
                    etag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "show-company-user": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "update-company-user": {
        parameters: {
            query?: {
                /**
                 * @description Whether Procore enforces the fields that the company requires. The default of Procore is false.
                 * @example false
                 */
                run_configurable_validations?: components["parameters"]["query-run_configurable_validations"];
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user": {
                 *         "last_name": "Doe",
                 *         "first_name": "Jane",
                 *         "job_title": "QA Manager",
                 *         "address": "6305 Carpinteria Ave",
                 *         "city": "Carpinteria",
                 *         "zip": "93013"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["update-company-user"];
                /**
                 * @example {
                 *       "user[last_name]": "Doe",
                 *       "user[first_name]": "Jane",
                 *       "user[job_title]": "QA Manager",
                 *       "user[address]": "6305 Carpinteria Ave",
                 *       "user[city]": "Carpinteria",
                 *       "user[zip]": "93013"
                 *     }
                 */
                "multipart/form-data": components["schemas"]["update-company-user-form"];
            };
        };
        responses: {
            /** @description The user was updated. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400-body"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            413: components["responses"]["problem-413-body"];
            415: components["responses"]["problem-415-body"];
            422: components["responses"]["problem-422-body"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "show-company-user-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "update-company-user-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Whether Procore enforces the fields that the company requires. The default of Procore is false.
                 * @example false
                 */
                run_configurable_validations?: components["parameters"]["query-run_configurable_validations"];
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "user": {
                 *         "last_name": "Doe",
                 *         "first_name": "Jane",
                 *         "job_title": "QA Manager",
                 *         "address": "6305 Carpinteria Ave",
                 *         "city": "Carpinteria",
                 *         "zip": "93013"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["update-company-user"];
                /**
                 * @example {
                 *       "user[last_name]": "Doe",
                 *       "user[first_name]": "Jane",
                 *       "user[job_title]": "QA Manager",
                 *       "user[address]": "6305 Carpinteria Ave",
                 *       "user[city]": "Carpinteria",
                 *       "user[zip]": "93013"
                 *     }
                 */
                "multipart/form-data": components["schemas"]["update-company-user-form"];
            };
        };
        responses: {
            /** @description The user was updated. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400-body"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            413: components["responses"]["problem-413-body"];
            415: components["responses"]["problem-415-body"];
            422: components["responses"]["problem-422-body"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "show-company-user-avatar": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    /** @description Identifies the content. With `If-None-Match` it is not sent again (304). */
                    etag?: string;
                    /** @description `inline`, and a name with the extension of the detected type. */
                    "content-disposition"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "image/png": string;
                    "image/jpeg": string;
                    "image/gif": string;
                    "image/bmp": string;
                    "image/tiff": string;
                    "image/webp": string;
                    "image/avif": string;
                };
            };
            /** @description The file is the one that `If-None-Match` names. */
            304: {
                headers: {
                    "cache-control": components["headers"]["cache-control"];
                    /** @description Identifies the content. With `If-None-Match` it is not sent again (304). */
                    etag?: string;
                    /** @description `inline`, and a name with the extension of the detected type. */
                    "content-disposition"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "invite-company-user": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The invitation will be sent. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            409: components["responses"]["problem-409-change-key"];
            422: components["responses"]["problem-422-change-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change"];
        };
    };
    "invite-company-user-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the user.
                 * @example 381006
                 */
                id: components["parameters"]["path-id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The invitation will be sent. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            409: components["responses"]["problem-409-change-key"];
            422: components["responses"]["problem-422-change-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change"];
        };
    };
    "sync-company-users": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "updates": [
                 *         {
                 *           "last_name": "Doe",
                 *           "email_address": "jane.doe@example.com",
                 *           "first_name": "Jane",
                 *           "job_title": "QA Manager",
                 *           "address": "6305 Carpinteria Ave",
                 *           "city": "Carpinteria"
                 *         },
                 *         {
                 *           "id": 381006,
                 *           "last_name": "Doe",
                 *           "first_name": "Jane",
                 *           "job_title": "QA Manager",
                 *           "address": "6305 Carpinteria Ave",
                 *           "city": "Carpinteria"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["sync-company-users"];
            };
        };
        responses: {
            /** @description Procore processed the rows. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "entities": [
                     *         {
                     *           "id": 381006,
                     *           "last_name": "Doe",
                     *           "email_address": "jane.doe@example.com"
                     *         }
                     *       ],
                     *       "errors": [],
                     *       "rows": [
                     *         {
                     *           "row": 1,
                     *           "status": "created",
                     *           "id": 381006
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SyncResult"];
                };
            };
            400: components["responses"]["problem-400-change-body-key"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "sync-company-users-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "updates": [
                 *         {
                 *           "last_name": "Doe",
                 *           "email_address": "jane.doe@example.com",
                 *           "first_name": "Jane",
                 *           "job_title": "QA Manager",
                 *           "address": "6305 Carpinteria Ave",
                 *           "city": "Carpinteria"
                 *         },
                 *         {
                 *           "id": 381006,
                 *           "last_name": "Doe",
                 *           "first_name": "Jane",
                 *           "job_title": "QA Manager",
                 *           "address": "6305 Carpinteria Ave",
                 *           "city": "Carpinteria"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["sync-company-users"];
            };
        };
        responses: {
            /** @description Procore processed the rows. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "entities": [
                     *         {
                     *           "id": 381006,
                     *           "last_name": "Doe",
                     *           "email_address": "jane.doe@example.com"
                     *         }
                     *       ],
                     *       "errors": [],
                     *       "rows": [
                     *         {
                     *           "row": 1,
                     *           "status": "created",
                     *           "id": 381006
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SyncResult"];
                };
            };
            400: components["responses"]["problem-400-change-body-key"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "import-company-users": {
        parameters: {
            query?: {
                /** @description `create`, the default: a user who is in the directory already is rejected. `upsert`: such a user is updated, which needs the scope `update-company-user` as well. */
                mode?: "create" | "upsert";
                /** @description Whether rows are only validated, without calling Procore. */
                dry_run?: boolean;
            };
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example last_name,email_address
                 *     Doe,jane.doe@example.com
                 */
                "text/csv": components["schemas"]["import-company-users"];
                /** @example {"last_name":"Doe","email_address":"jane.doe@example.com"} */
                "application/x-ndjson": string;
                "multipart/form-data": components["schemas"]["import-company-users-form"];
            };
        };
        responses: {
            /** @description The file was read. Each line is the result of a row. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {"row":1,"status":"created","id":381006}
                     *     {"totals":{"rows":1,"created":1,"updated":0,"invalid":0,"rejected":0,"unknown":0,"not_sent":0,"unchanged":0}}
                     */
                    "application/x-ndjson": string;
                };
            };
            400: components["responses"]["problem-400-change-key-import"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key-import"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change"];
        };
    };
    "list-inactive-company-users": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /** @description The sort order of the list. */
                sort?: "name";
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of inactive users. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 381006,
                     *         "name": "Jane Doe",
                     *         "first_name": "Jane",
                     *         "last_name": "Doe",
                     *         "email_address": "jane.doe@example.com",
                     *         "job_title": "QA Manager",
                     *         "avatar": null,
                     *         "country_code": "US",
                     *         "state_code": "CA",
                     *         "is_active": true,
                     *         "is_employee": false,
                     *         "created_at": "2016-10-23T21:39:40Z",
                     *         "updated_at": "2016-10-23T21:39:40Z",
                     *         "vendor": {
                     *           "id": 161072,
                     *           "name": "SID Architecture"
                     *         }
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["User"][];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-inactive-company-users-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /** @description The sort order of the list. */
                sort?: "name";
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of inactive users. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 381006,
                     *         "name": "Jane Doe",
                     *         "first_name": "Jane",
                     *         "last_name": "Doe",
                     *         "email_address": "jane.doe@example.com",
                     *         "job_title": "QA Manager",
                     *         "avatar": null,
                     *         "country_code": "US",
                     *         "state_code": "CA",
                     *         "is_active": true,
                     *         "is_employee": false,
                     *         "created_at": "2016-10-23T21:39:40Z",
                     *         "updated_at": "2016-10-23T21:39:40Z",
                     *         "vendor": {
                     *           "id": 161072,
                     *           "name": "SID Architecture"
                     *         }
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["User"][];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "reactivate-company-user": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the inactive user.
                 * @example 381005
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is active. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change"];
        };
    };
    "reactivate-company-user-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The id of the inactive user.
                 * @example 381005
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is active. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change"];
        };
    };
    "add-company-users-to-projects": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "users": [
                 *         {
                 *           "user_id": "381006",
                 *           "project_id": "3",
                 *           "permission_template_id": "27",
                 *           "project_role_ids": [
                 *             "12"
                 *           ]
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["add-company-users-to-projects"];
            };
        };
        responses: {
            /** @description All users were added. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "entities": [
                     *             {
                     *               "userId": "text",
                     *               "projects": [
                     *                 null
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "errors": [
                     *         null
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            entities?: ({
                                userId?: string | number;
                                projects?: unknown[];
                            } & {
                                [key: string]: unknown;
                            })[];
                        } & {
                            [key: string]: unknown;
                        })[];
                        errors?: unknown[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description Procore queued the request. Its progress is at `…/users/bulk/status/{batch_id}`. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "status": "accepted",
                     *           "batch_id": "batch-123abc456def"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            /** @example accepted */
                            status?: string;
                            /** @example batch-123abc456def */
                            batch_id: string;
                        } & {
                            [key: string]: unknown;
                        })[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description Some users were added; `errors` has the others. */
            207: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "entities": [
                     *             {
                     *               "userId": "text",
                     *               "projects": [
                     *                 null
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "errors": [
                     *         null
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            entities?: ({
                                userId?: string | number;
                                projects?: unknown[];
                            } & {
                                [key: string]: unknown;
                            })[];
                        } & {
                            [key: string]: unknown;
                        })[];
                        errors?: unknown[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400-change-body-key"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "add-company-users-to-projects-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "users": [
                 *         {
                 *           "user_id": "381006",
                 *           "project_id": "3",
                 *           "permission_template_id": "27",
                 *           "project_role_ids": [
                 *             "12"
                 *           ]
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["add-company-users-to-projects"];
            };
        };
        responses: {
            /** @description All users were added. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "entities": [
                     *             {
                     *               "userId": "text",
                     *               "projects": [
                     *                 null
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "errors": [
                     *         null
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            entities?: ({
                                userId?: string | number;
                                projects?: unknown[];
                            } & {
                                [key: string]: unknown;
                            })[];
                        } & {
                            [key: string]: unknown;
                        })[];
                        errors?: unknown[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description Procore queued the request. Its progress is at `…/users/bulk/status/{batch_id}`. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "status": "accepted",
                     *           "batch_id": "batch-123abc456def"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            /** @example accepted */
                            status?: string;
                            /** @example batch-123abc456def */
                            batch_id: string;
                        } & {
                            [key: string]: unknown;
                        })[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description Some users were added; `errors` has the others. */
            207: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "entities": [
                     *             {
                     *               "userId": "text",
                     *               "projects": [
                     *                 null
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "errors": [
                     *         null
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            entities?: ({
                                userId?: string | number;
                                projects?: unknown[];
                            } & {
                                [key: string]: unknown;
                            })[];
                        } & {
                            [key: string]: unknown;
                        })[];
                        errors?: unknown[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400-change-body-key"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "remove-company-users-from-projects": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "users": [
                 *         {
                 *           "user_id": "381006",
                 *           "project_id": "3"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["remove-company-users-from-projects"];
            };
        };
        responses: {
            /** @description The result for each user and project: `success`, or `skipped_managed`. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {}
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: {
                            [key: string]: unknown;
                        }[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description Procore queued the request. Its progress is at `…/users/bulk/status/{batch_id}`. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "status": "accepted",
                     *           "batch_id": "batch-123abc456def"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            /** @example accepted */
                            status?: string;
                            /** @example batch-123abc456def */
                            batch_id: string;
                        } & {
                            [key: string]: unknown;
                        })[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400-change-body-key"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "remove-company-users-from-projects-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the same request with the same key returns the stored first response. */
                "Idempotency-Key"?: components["parameters"]["header-Idempotency-Key"];
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "users": [
                 *         {
                 *           "user_id": "381006",
                 *           "project_id": "3"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["remove-company-users-from-projects"];
            };
        };
        responses: {
            /** @description The result for each user and project: `success`, or `skipped_managed`. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {}
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: {
                            [key: string]: unknown;
                        }[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description Procore queued the request. Its progress is at `…/users/bulk/status/{batch_id}`. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "status": "accepted",
                     *           "batch_id": "batch-123abc456def"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": {
                        data: ({
                            /** @example accepted */
                            status?: string;
                            /** @example batch-123abc456def */
                            batch_id: string;
                        } & {
                            [key: string]: unknown;
                        })[];
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400-change-body-key"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            408: components["responses"]["problem-408"];
            409: components["responses"]["problem-409-change-key"];
            413: components["responses"]["problem-413-change-key"];
            415: components["responses"]["problem-415-change-key"];
            422: components["responses"]["problem-422-change-body-key"];
            429: components["responses"]["problem-429-change"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-change"];
            503: components["responses"]["problem-503-change"];
            504: components["responses"]["problem-504-change"];
            "4XX": components["responses"]["problem-4XX-change-body"];
        };
    };
    "show-company-users-bulk-status": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The `batch_id` of the response with status 202.
                 * @example batch-123abc456def
                 */
                batch_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": {
                     *         "is_complete": true,
                     *         "total": 1,
                     *         "pending": 1,
                     *         "failures": null
                     *       }
                     *     }
                     */
                    "application/json": {
                        data: {
                            is_complete?: boolean;
                            total?: number;
                            pending?: number;
                            failures?: unknown;
                        } & {
                            [key: string]: unknown;
                        };
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "show-company-users-bulk-status-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
                /**
                 * @description The `batch_id` of the response with status 202.
                 * @example batch-123abc456def
                 */
                batch_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": {
                     *         "is_complete": true,
                     *         "total": 1,
                     *         "pending": 1,
                     *         "failures": null
                     *       }
                     *     }
                     */
                    "application/json": {
                        data: {
                            is_complete?: boolean;
                            total?: number;
                            pending?: number;
                            failures?: unknown;
                        } & {
                            [key: string]: unknown;
                        };
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "show-current-company-user": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "show-current-company-user-procore-path": {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 381006,
                     *       "name": "Jane Doe",
                     *       "first_name": "Jane",
                     *       "last_name": "Doe",
                     *       "email_address": "jane.doe@example.com",
                     *       "job_title": "QA Manager",
                     *       "avatar": null,
                     *       "country_code": "US",
                     *       "state_code": "CA",
                     *       "is_active": true,
                     *       "is_employee": false,
                     *       "created_at": "2016-10-23T21:39:40Z",
                     *       "updated_at": "2016-10-23T21:39:40Z",
                     *       "vendor": {
                     *         "id": 161072,
                     *         "name": "SID Architecture"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-companies": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of companies. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1234,
                     *         "name": "text",
                     *         "is_active": true
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /**
                         * @description The id of the company.
                         * @example 1234
                         */
                        id: number;
                        name?: string | null;
                        is_active?: boolean | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-companies-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of companies. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1234,
                     *         "name": "text",
                     *         "is_active": true
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /**
                         * @description The id of the company.
                         * @example 1234
                         */
                        id: number;
                        name?: string | null;
                        is_active?: boolean | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-permission-templates": {
        parameters: {
            query?: {
                /** @description The type of template. */
                "filters[type]"?: "company_tools" | "project_tools" | "global";
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The permission templates. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "type": "text"
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        type?: string | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-permission-templates-procore-path": {
        parameters: {
            query?: {
                /** @description The type of template. */
                "filters[type]"?: "company_tools" | "project_tools" | "global";
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The permission templates. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "type": "text"
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        type?: string | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-vendors": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /** @description The level of detail for each vendor. */
                view?: "compact" | "normal" | "extended";
                /**
                 * @description Text that the name of the vendor contains.
                 * @example SID
                 */
                "filters[search]"?: string;
                /**
                 * @description The id of the vendor in the system of origin.
                 * @example foobar
                 */
                "filters[origin_id]"?: string;
                /**
                 * @description The ids of trades; vendors with any of them match.
                 * @example [
                 *       5,
                 *       8
                 *     ]
                 */
                "filters[trade_id][]"?: number[];
                /**
                 * @description The ids of vendors.
                 * @example [
                 *       161072
                 *     ]
                 */
                "filters[id][]"?: number[];
                /**
                 * @description When vendors were created: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[created_at]"?: string;
                /**
                 * @description When vendors were updated: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[updated_at]"?: string;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of vendors. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text"
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-vendors-procore-path": {
        parameters: {
            query: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: number;
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /** @description The level of detail for each vendor. */
                view?: "compact" | "normal" | "extended";
                /**
                 * @description Text that the name of the vendor contains.
                 * @example SID
                 */
                "filters[search]"?: string;
                /**
                 * @description The id of the vendor in the system of origin.
                 * @example foobar
                 */
                "filters[origin_id]"?: string;
                /**
                 * @description The ids of trades; vendors with any of them match.
                 * @example [
                 *       5,
                 *       8
                 *     ]
                 */
                "filters[trade_id][]"?: number[];
                /**
                 * @description The ids of vendors.
                 * @example [
                 *       161072
                 *     ]
                 */
                "filters[id][]"?: number[];
                /**
                 * @description When vendors were created: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[created_at]"?: string;
                /**
                 * @description When vendors were updated: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[updated_at]"?: string;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of vendors. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text"
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-work-classifications": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of work classifications. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "abbreviation": "text"
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        abbreviation?: string | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-work-classifications-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of work classifications. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "abbreviation": "text"
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        abbreviation?: string | null;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-trades": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /**
                 * @description Whether the trade is active.
                 * @example true
                 */
                "filters[active]"?: boolean;
                /**
                 * @description When trades were updated: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[updated_at]"?: string;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of trades. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "active": true
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        active?: boolean;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-trades-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /**
                 * @description Whether the trade is active.
                 * @example true
                 */
                "filters[active]"?: boolean;
                /**
                 * @description When trades were updated: a start, or a start and an end separated by `...`.
                 * @example 2026-01-01...2026-02-01
                 */
                "filters[updated_at]"?: string;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of trades. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "active": true
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        active?: boolean;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-configurable-field-sets": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /**
                 * @description The type of field set.
                 * @example ConfigurableFieldSet::User
                 */
                "filters[type]"?: string;
                /**
                 * @description The id of the generic tool that field sets belong to.
                 * @example 7
                 */
                "filters[generic_tool_id]"?: number;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of field sets. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "class_name": "text",
                     *         "fields": null
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        class_name?: string | null;
                        fields?: unknown;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
    "list-configurable-field-sets-procore-path": {
        parameters: {
            query?: {
                /**
                 * @description Page number, starting at 1.
                 * @example 1
                 */
                page?: components["parameters"]["query-page"];
                /**
                 * @description Number of items per page.
                 * @example 100
                 */
                per_page?: components["parameters"]["query-per_page"];
                /**
                 * @description The type of field set.
                 * @example ConfigurableFieldSet::User
                 */
                "filters[type]"?: string;
                /**
                 * @description The id of the generic tool that field sets belong to.
                 * @example 7
                 */
                "filters[generic_tool_id]"?: number;
            };
            header?: {
                /** @description The id of the request in responses and logs. The service creates a new id if the header is absent or does not match this pattern. */
                "X-Request-Id"?: components["parameters"]["header-X-Request-Id"];
            };
            path: {
                /**
                 * @description The id of the company.
                 * @example 1234
                 */
                company_id: components["parameters"]["path-company_id"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of field sets. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["x-request-id"];
                    "procore-request-id": components["headers"]["procore-request-id"];
                    "cache-control": components["headers"]["cache-control"];
                    age: components["headers"]["age"];
                    "x-outcome": components["headers"]["x-outcome"];
                    link: components["headers"]["link"];
                    total: components["headers"]["total"];
                    "per-page": components["headers"]["per-page"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "id": 1,
                     *         "name": "text",
                     *         "class_name": "text",
                     *         "fields": null
                     *       }
                     *     ]
                     */
                    "application/json": ({
                        /** @description The id in Procore. */
                        id: number;
                        name?: string | null;
                        class_name?: string | null;
                        fields?: unknown;
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
            400: components["responses"]["problem-400"];
            401: components["responses"]["problem-401"];
            403: components["responses"]["problem-403-other"];
            404: components["responses"]["problem-404"];
            405: components["responses"]["problem-405"];
            422: components["responses"]["problem-422"];
            429: components["responses"]["problem-429-safe"];
            500: components["responses"]["problem-500"];
            502: components["responses"]["problem-502-safe"];
            503: components["responses"]["problem-503-safe"];
            504: components["responses"]["problem-504-safe"];
            "4XX": components["responses"]["problem-4XX-safe"];
        };
    };
}
