/** Knows what categories are called in words. */
import type { Category } from "./types";

export const CATEGORIES: Record<Category, string> = {
  automation: "Automation",
  "data-processing": "Data processing",
  "ai-ml": "AI and machine learning",
  "web-scraping": "Web scraping",
  "api-integration": "API integration",
  monitoring: "Monitoring",
  utilities: "Utilities",
  other: "Other",
};

export const CATEGORY_IDS = Object.keys(CATEGORIES) as Category[];

export function categoryName(category: string): string {
  return CATEGORIES[category as Category] ?? category;
}
