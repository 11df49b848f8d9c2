import eslint from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores(["**/node_modules/", "artifacts/", "cache/", "coverage/", "types/", ".assay/", "shared/"]),
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      eqeqeq: "error",
      "prefer-const": "error",
      "object-shorthand": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        {
          allowNumber: true,
          allowBoolean: true,
          allow: [{ from: "lib", name: ["Error", "URL", "URLSearchParams"] }],
        },
      ],
      // `noUncheckedIndexedAccess` makes `!` the honest way to say that an index is known to be in range.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Numeric code reads better with plain index loops.
      "@typescript-eslint/prefer-for-of": "off",
      // A type alias is needed where an index signature is wanted (viem's inferred types, JSON).
      "@typescript-eslint/consistent-type-definitions": "off",
      // Names and labels fall back on empty strings too.
      "@typescript-eslint/prefer-nullish-coalescing": [
        "error",
        { ignorePrimitives: { string: true, number: true, boolean: true } },
      ],
      "@typescript-eslint/no-confusing-non-null-assertion": "off",
      // Async functions that happen not to wait implement asynchronous interfaces.
      "@typescript-eslint/require-await": "off",
      // tsc reports these.
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly" } },
  },
);
