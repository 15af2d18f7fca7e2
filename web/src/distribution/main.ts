import { mount } from "svelte";
import "../app.css";
import Distribution from "./Distribution.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("distribution/index.html has no #app");
mount(Distribution, { target });
