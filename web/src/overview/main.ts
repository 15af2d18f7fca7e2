import { mount } from "svelte";
import "../app.css";
import Overview from "./Overview.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("overview/index.html has no #app");
mount(Overview, { target });
