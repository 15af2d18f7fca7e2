import { mount } from "svelte";
import "../app.css";
import Quality from "./Quality.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("quality/index.html has no #app");
mount(Quality, { target });
